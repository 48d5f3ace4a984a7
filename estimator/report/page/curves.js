// Curves of measured points over a logarithmic axis.
import { axis, figure } from "./chart.js";
import { tip } from "./dom.js";
import { ticks } from "./format.js";
import { powers_around, sign } from "./marks.js";

const strokes = ["solid", "dashed", "dotted"];

/**
 * Curves of `rows` by `group`, x and y as [key, kind, name]; logarithmic in x. `fit_of(rows)`, where it
 * gives points, is drawn as a line through those of a group. `look_of(row, i)`: places in the lists of
 * colours, of signs and of strokes, else `i` and `i`.
 */
export function curves({
  title,
  note,
  rows,
  columns,
  x,
  y,
  y_type = "value",
  lines,
  fit_of = () => null,
  look_of = (_, i) => [i, i, 0],
}) {
  const groups = [...new Set(rows.map(({ group }) => group))];
  const sets = groups.map((group) =>
    rows.filter((row) => row.group === group).sort((a, b) => a[x[0]] - b[x[0]]),
  );
  const fits = sets.map(fit_of);
  const looks = sets.map(([first], i) => look_of(first, i));
  const colour = (colours, i) => colours.palette[looks[i][0] % colours.palette.length];
  const base = x[1] === "B" ? 2 : 10;
  const x_ends = powers_around(
    rows.map((row) => row[x[0]]),
    base,
  );
  const heights = [
    ...rows.map((row) => row[y[0]]),
    ...fits.flatMap((fit) => (fit ?? []).map(([, value]) => value)),
  ];
  return figure({
    title,
    note,
    height: 380,
    marks: rows.length,
    data: { columns, rows },
    option: (colours) => ({
      legend: true,
      xAxis: axis(colours, {
        type: "log",
        logBase: base,
        name: x[2],
        ...x_ends,
        axisLabel: ticks(x[1]),
      }),
      yAxis: axis(colours, {
        type: y_type,
        name: y[2],
        nameGap: 64,
        ...(y_type === "log" ? powers_around(heights) : {}),
        axisLabel: ticks(y[1]),
      }),
      tooltip: {
        formatter: ({ seriesIndex, dataIndex }) =>
          tip(sets[seriesIndex][dataIndex].key, lines(sets[seriesIndex][dataIndex])),
      },
      series: [
        ...sets.map((set, i) => ({
          type: fits[i] ? "scatter" : "line",
          name: groups[i],
          color: colour(colours, i),
          symbol: sign(looks[i][1]),
          lineStyle: { type: strokes[looks[i][2] % strokes.length] },
          symbolSize: 7,
          data: set.map((row) => [row[x[0]], row[y[0]]]),
        })),
        ...fits.map((fit, i) => ({
          type: "line",
          name: groups[i],
          silent: true,
          symbol: "none",
          tooltip: { show: false },
          lineStyle: { width: 1.5, type: "dashed" },
          color: colour(colours, i),
          data: fit ?? [],
        })),
      ],
    }),
  });
}
