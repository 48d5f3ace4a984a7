// Numbers as people read them: three significant digits and a unit.

const seconds_units = [
  [86400 * 3, 86400, "d"],
  [3600 * 3, 3600, "h"],
  [60 * 3, 60, "min"],
  [1, 1, "s"],
  [1e-3, 1e-3, "ms"],
  [1e-6, 1e-6, "µs"],
  [0, 1e-9, "ns"],
];
const binary_sizes = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const decimal_prefixes = ["", "k", "M", "G", "T", "P", "E"];
const count_suffixes = ["", "K", "M", "B", "T"];

/** Three significant digits: "0.0123", "1.23", "123", "12,300", "1.23e+21". */
export function digits(value, count = 3) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) {
    return value.toExponential(count - 1).replace(/\.?0+e/, "e");
  }
  const rounded = Number(value.toPrecision(count));
  return rounded.toLocaleString("en-US", { maximumSignificantDigits: Math.max(count, 6) });
}

/** "12.3 GB/s": `what` is the unit that the prefixes stand before. */
function scaled(value, base, prefixes, separator, what = "") {
  let step = 0;
  let rest = value;
  // 999.6 reads as 1,000, 1,023.6 as 1,024: of the next prefix one.
  while (step + 1 < prefixes.length && Math.abs(rest) >= base - 0.5) {
    rest /= base;
    step += 1;
  }
  return `${digits(rest)}${separator}${prefixes[step]}${what}`;
}

function time_text(value) {
  if (value === 0) return "0 s";
  const size = Math.abs(Number(value.toPrecision(3)));
  const [, factor, unit] = seconds_units.find(([least]) => size >= least);
  return `${digits(value / factor)} ${unit}`;
}

function count_text(value) {
  if (Math.abs(value) >= 1e15) return digits(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e5) return value.toLocaleString("en-US");
  return scaled(value, 1000, count_suffixes, "");
}

const writers = {
  s: time_text,
  B: (value) => scaled(value, 1024, binary_sizes, " "),
  "B/s": (value) => scaled(value, 1000, decimal_prefixes, " ", "B/s"),
  "FLOP/s": (value) => scaled(value, 1000, decimal_prefixes, " ", "FLOP/s"),
  FLOP: (value) => `${digits(value)} FLOP`,
  "FLOP/B": (value) => `${digits(value)} FLOP/B`,
  count: count_text,
  integer: (value) => String(value),
  "%": (value) => `${digits(100 * value)} %`,
  "+%": (value) => `${value > 0 ? "+" : ""}${digits(100 * value)} %`,
  USD: (value) => `${count_text(Number(value.toPrecision(3)))} USD`,
  kWh: (value) => `${count_text(Number(value.toPrecision(3)))} kWh`,
  W: (value) => scaled(value, 1000, decimal_prefixes, " ", "W"),
  days: (value) => `${digits(value)} days`,
  "tokens/s": (value) => `${count_text(Number(value.toPrecision(3)))} tokens/s`,
  x: (value) => `${digits(value)}×`,
  TFLOP: (value) => `${digits(value)} TFLOP/s`,
  number: (value) => digits(value),
  mixed: (value) => digits(value),
};

/** `value` in the words of its kind; a dash where there is none. Text passes. */
export function text_of(value, kind = "text") {
  if (value === null || value === undefined || value === "") return "–";
  if (Array.isArray(value)) return value.map((one) => text_of(one, kind)).join(" to ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number" || kind === "text") return String(value);
  return writers[kind](value);
}

/** Ticks of an axis: as `text_of`, on logarithmic axes too. */
export function ticks(kind) {
  const in_seconds = (value) => (value >= 1 ? `${digits(value)} s` : text_of(value, "s"));
  const formatter = kind === "s" ? in_seconds : (value) => text_of(value, kind);
  return { formatter, hideOverlap: true };
}

/** At most `most` signs, the middle left out: what names have in common stands in front. */
export function shortened(text, most) {
  if (text.length <= most) return text;
  const tail = Math.floor((most - 1) / 2);
  return `${text.slice(0, most - 1 - tail).trimEnd()}…${text.slice(text.length - tail).trimStart()}`;
}

/** "tensor_parallel" as "tensor parallel". */
export function words(key) {
  return String(key).replaceAll("_", " ");
}

/** "tp=8,pp=16": degrees of one are left out, but for dp. */
export function layout_text(layout) {
  if (typeof layout === "string") return layout;
  return Object.entries(layout ?? {})
    .filter(([degree, value]) => value > 1 || degree === "dp")
    .map(([degree, value]) => `${degree}=${value}`)
    .join(",");
}
