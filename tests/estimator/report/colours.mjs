// How far colours are apart for those who see fewer of them.

// Machado, Oliveira and Fernandes 2009, severity 1: what is seen of linear red, green and blue.
const grey = [0.2126, 0.7152, 0.0722];
const visions = {
  "all colours": [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
  "no colours": [grey, grey, grey],
};

const times = (matrix, vector) =>
  matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i], 0));

/** "#rrggbb" in CIELAB, as it is seen. */
function seen(colour, vision) {
  const linear = [1, 3, 5].map((place) => {
    const share = Number.parseInt(colour.slice(place, place + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const left = times(visions[vision], linear).map((share) => Math.min(1, Math.max(0, share)));
  const [x, y, z] = times(
    [
      [0.4124 / 0.9505, 0.3576 / 0.9505, 0.1805 / 0.9505],
      grey,
      [0.0193 / 1.089, 0.1192 / 1.089, 0.9505 / 1.089],
    ],
    left,
  ).map((t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116));
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** The two of `colours` that are nearest, by their distance in CIELAB. */
export function least_difference(colours, vision) {
  let nearest = { difference: Infinity, pair: "" };
  for (const [i, one] of colours.entries()) {
    for (const other of colours.slice(0, i)) {
      const a = seen(one, vision);
      const b = seen(other, vision);
      const difference = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
      if (difference < nearest.difference) nearest = { difference, pair: `${other} and ${one}` };
    }
  }
  return nearest;
}
