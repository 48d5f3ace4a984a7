// What a forecast says, and how its quantiles are written.
import { text_of } from "./format.js";

// Key, kind, name.
export const quantities = [
  ["work_years", "count", "work-years"],
  ["work_years_2000h", "count", "work-years of 2,000 h"],
  ["copies", "count", "copies"],
  ["speed_x_human", "x", "speed of a person"],
  ["learning_years_per_day", "count", "learning years a day"],
  ["training_flop", "FLOP", "training"],
  ["parameters", "count", "parameters"],
  ["training_tokens", "count", "training tokens"],
  ["cost_usd", "USD", "cost"],
  ["power_w", "W", "power"],
];
export const levels = ["p5", "p25", "p50", "p75", "p95"];

export const quantile_columns = (kind, first) => [
  first,
  ...[...levels, "mean"].map((key) => ({ key, label: key, kind })),
];

export function quantile_lines(row, kind) {
  return [...levels, "mean"].map((level) => [level, text_of(row[level], kind)]);
}
