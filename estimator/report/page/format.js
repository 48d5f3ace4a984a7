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

// One made for every number takes most of the time that a table is filtered in.
const writer_of = new Map();

function grouped(value, count) {
  if (!writer_of.has(count)) {
    writer_of.set(count, new Intl.NumberFormat("en-US", { maximumSignificantDigits: count }));
  }
  return writer_of.get(count).format(value);
}

/** Three significant digits: "0.0123", "1.23", "123", "12,300", "1.23e+21". */
export function digits(value, count = 3) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) {
    return value.toExponential(count - 1).replace(/\.?0+e/, "e");
  }
  const rounded = Number(value.toPrecision(count));
  return grouped(rounded, Math.max(count, 6));
}

/** "12.3 GB/s": `what` is the unit that the prefixes stand before. */
function scaled(value, base, prefixes, separator, what, count) {
  let step = 0;
  let rest = value;
  // 999.6 reads as 1,000, 1,023.6 as 1,024: of the next prefix one.
  while (step + 1 < prefixes.length && Math.abs(rest) >= base - 0.5) {
    rest /= base;
    step += 1;
  }
  return `${digits(rest, count)}${separator}${prefixes[step]}${what}`;
}

function time_text(value, count) {
  if (value === 0) return "0 s";
  const size = Math.abs(Number(value.toPrecision(count)));
  const [, factor, unit] = seconds_units.find(([least]) => size >= least);
  return `${digits(value / factor, count)} ${unit}`;
}

function count_text(value, count) {
  if (Math.abs(value) >= 1e15) return digits(value, count);
  if (Number.isInteger(value) && Math.abs(value) < 1e5) return grouped(value, 6);
  return scaled(value, 1000, count_suffixes, "", "", count);
}

const writers = {
  s: time_text,
  B: (value, count) => scaled(value, 1024, binary_sizes, " ", "", count),
  "B/s": (value, count) => scaled(value, 1000, decimal_prefixes, " ", "B/s", count),
  "FLOP/s": (value, count) => scaled(value, 1000, decimal_prefixes, " ", "FLOP/s", count),
  FLOP: (value, count) => `${digits(value, count)} FLOP`,
  "FLOP/B": (value, count) => `${digits(value, count)} FLOP/B`,
  count: count_text,
  integer: (value) => String(value),
  "%": (value, count) => `${digits(100 * value, count)} %`,
  "+%": (value, count) => `${value > 0 ? "+" : ""}${digits(100 * value, count)} %`,
  USD: (value, count) => `${count_text(Number(value.toPrecision(count)), count)} USD`,
  kWh: (value, count) => `${count_text(Number(value.toPrecision(count)), count)} kWh`,
  kg: (value, count) => `${count_text(Number(value.toPrecision(count)), count)} kg`,
  W: (value, count) => scaled(value, 1000, decimal_prefixes, " ", "W", count),
  days: (value, count) => `${digits(value, count)} days`,
  "tokens/s": (value, count) => `${count_text(Number(value.toPrecision(count)), count)} tokens/s`,
  x: (value, count) => `${digits(value, count)}×`,
  TFLOP: (value, count) => `${digits(value, count)} TFLOP/s`,
  number: digits,
  mixed: digits,
};

/** `value` in the words of its kind, of `count` digits; a dash where there is none. Text passes. */
export function text_of(value, kind = "text", count = 3) {
  if (value === null || value === undefined || value === "") return "–";
  if (Array.isArray(value)) return value.map((one) => text_of(one, kind, count)).join(" to ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number" || kind === "text") return String(value);
  return writers[kind](value, count);
}

// Ticks are round numbers: what is cut to three digits says the same twice where an axis is short.
const tick_digits = 5;

/** Ticks of an axis: as `text_of`, on logarithmic axes too. */
export function ticks(kind) {
  const text = (value) => text_of(value, kind, tick_digits);
  const in_seconds = (value) => (value >= 1 ? `${digits(value, tick_digits)} s` : text(value));
  const formatter = kind === "s" ? in_seconds : text;
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
