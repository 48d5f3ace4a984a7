// Chart options that several sections share: waterfalls, stacked bars, error bars.
import { axis } from "./chart.js";
import { text_of, ticks } from "./format.js";
import { tip } from "./dom.js";

const signs = [
  "circle",
  "triangle",
  "rect",
  "diamond",
  // A triangle on its tip, an upright cross and a slanting one.
  "path://M0,0H10L5,9Z",
  "path://M4,0H6V4H10V6H6V10H4V6H0V4H4Z",
  "path://M1,0L5,4L9,0L10,1L6,5L10,9L9,10L5,6L1,10L0,9L4,5L0,1Z",
];

/** The sign of series `i`: neighbours differ in it too, and no colour has the same again soon. */
export function sign(i) {
  return signs[i % signs.length];
}

/** A series of points for each of `sets`, told apart by colour and sign; `at` gives x and y. */
export function scatters(sets, names, at) {
  return sets.map((set, i) => ({
    type: "scatter",
    name: names[i],
    symbol: sign(i),
    symbolSize: 8,
    itemStyle: { opacity: 0.75 },
    data: set.map(at),
  }));
}

/** A line to read points by, which is no data itself. */
export function guide_line(colours, data, width) {
  return {
    type: "line",
    silent: true,
    symbol: "none",
    tooltip: { show: false },
    color: colours.muted,
    lineStyle: { width },
    data,
  };
}

/** Rows { part, value } of what is not zero. */
export function parts_of(breakdown) {
  return Object.entries(breakdown)
    .filter(([, value]) => value !== 0 && value !== null)
    .map(([part, value]) => ({ part, value }));
}

/**
 * Bars that begin where the one before ends, down to their sum. `rows`: { part, value }; `total`:
 * { part, value, band } where `band` is optional [low, high].
 */
export function waterfall(rows, total, kind) {
  return (colours, size) => {
    const starts = [0];
    for (const { value } of rows) starts.push(starts.at(-1) + value);
    starts.pop();
    const all = [...rows, total];
    const share = (value) => text_of(value / total.value, "%");
    return {
      grid: { right: size.is_narrow ? 64 : 80 },
      xAxis: axis(colours, { type: "value", ...steps(kind, total.band?.[1] ?? total.value, size) }),
      yAxis: axis(colours, { type: "category", inverse: true, data: all.map(({ part }) => part) }),
      tooltip: {
        formatter: ({ dataIndex }) => {
          const { part, value, band } = all[dataIndex];
          const lines = [[{ s: "time", B: "size" }[kind] ?? "value", text_of(value, kind)]];
          if (dataIndex < rows.length) lines.push(["share", share(value)]);
          if (band) lines.push(["90 % band", text_of(band, kind)]);
          return tip(part, lines);
        },
      },
      series: [
        {
          type: "bar",
          stack: "sum",
          silent: true,
          tooltip: { show: false },
          itemStyle: { color: "transparent" },
          data: [...starts, 0],
        },
        {
          type: "bar",
          stack: "sum",
          barMaxWidth: 22,
          label: {
            show: true,
            position: "right",
            color: colours.ink,
            formatter: ({ value }) => text_of(value, kind),
          },
          data: all.map(({ value }, i) => ({
            value,
            label: { show: i < rows.length || !total.band },
            itemStyle: { color: i < rows.length ? colours.palette[0] : colours.palette[7] },
          })),
        },
        ...(total.band
          ? [error_bars(colours, [[all.length - 1, ...total.band, text_of(total.value, kind)]])]
          : []),
      ],
    };
  };
}

/**
 * A bar a row of { part, value }, each with its value. `what`: the tooltip's word for a value; `x`:
 * further settings of its axis; `colour_of` a row, where they differ.
 */
export function bars(rows, kind, { what, x, colour_of }) {
  return (colours, size) => ({
    grid: { right: 64 },
    xAxis: axis(colours, { axisLabel: ticks(kind), ...x }),
    yAxis: axis(colours, {
      type: "category",
      inverse: true,
      data: rows.map(({ part }) => part),
      axisLabel: { width: size.is_narrow ? 90 : 220, overflow: "truncate" },
    }),
    tooltip: {
      formatter: ({ dataIndex }) => {
        const { part, value } = rows[dataIndex];
        return tip(part, [[what, kind === "count" ? String(value) : text_of(value, kind)]]);
      },
    },
    series: [
      {
        type: "bar",
        barMaxWidth: 20,
        label: {
          show: true,
          position: "right",
          color: colours.ink,
          formatter: ({ value }) => text_of(value, kind),
        },
        data: rows.map((row) => ({
          value: row.value,
          itemStyle: { color: colour_of?.(row, colours) ?? colours.palette[0] },
        })),
      },
    ],
  });
}

/** Ticks at round numbers of a unit: sizes count in powers of two. */
export function steps(kind, most, { is_narrow } = {}) {
  const base = kind === "B" ? 1024 ** Math.floor(Math.log2(Math.max(most, 1)) / 10) : 1;
  const rough = most / base / 4;
  const decade = 10 ** Math.floor(Math.log10(rough));
  const nice = [1, 2, 5, 10].find((factor) => factor * decade >= rough) * decade;
  const interval = nice * base;
  const max = Math.ceil(most / interval - 1e-9) * interval;
  // Where there is no room for more: one at either end, of which neither hides the other.
  return { interval: is_narrow ? max : interval, max, axisLabel: ticks(kind) };
}

/** The ends of a logarithmic axis: powers of `base` around the values, which may be one alone. */
export function powers_around(values, base = 10) {
  const power = (value) => Math.log(value) / Math.log(base);
  // A logarithm that misses a whole number by a rounding would give an end the same tick twice.
  const start = (exponent) => {
    let value = base ** exponent;
    while (power(value) < exponent) value *= 1 + Number.EPSILON;
    return value;
  };
  const end = (exponent) => {
    let value = base ** exponent;
    while (power(value) > exponent) value *= 1 - Number.EPSILON;
    return value;
  };
  const low = Math.floor(power(Math.min(...values)) + 1e-9);
  const high = Math.ceil(power(Math.max(...values)) - 1e-9);
  return low < high
    ? { min: start(low), max: end(high) }
    : { min: start(low - 1), max: end(high + 1) };
}

/** Whiskers along x, with a text at their end: items [row, low, high, text]. */
function error_bars(colours, data) {
  return {
    type: "custom",
    silent: true,
    z: 5,
    tooltip: { show: false },
    encode: { x: [1, 2], y: 0 },
    data,
    renderItem: (_, api) => {
      const low = api.coord([api.value(1), api.value(0)]);
      const high = api.coord([api.value(2), api.value(0)]);
      const line = (x1, y1, x2, y2) => ({
        type: "line",
        shape: { x1, y1, x2, y2 },
        style: { stroke: colours.ink, lineWidth: 1.5 },
      });
      return {
        type: "group",
        children: [
          line(low[0], low[1], high[0], high[1]),
          line(low[0], low[1] - 6, low[0], low[1] + 6),
          line(high[0], high[1] - 6, high[0], high[1] + 6),
          {
            type: "text",
            style: {
              x: high[0] + 6,
              y: high[1],
              text: api.value(3),
              fill: colours.ink,
              fontSize: 12,
              fontWeight: 600,
              verticalAlign: "middle",
            },
          },
        ],
      };
    },
  };
}

/**
 * Bars of several parts each. `names`: one a bar; `parts`: { part, values }; `limit`: { value, text }
 * draws a line across.
 */
export function stacked(names, parts, kind, limit = null) {
  return (colours, size) => {
    const top = Math.max(
      ...names.map((_, i) => parts.reduce((sum, { values }) => sum + values[i], 0)),
    );
    return {
      legend: true,
      grid: { right: 28, top: limit ? 30 : 12 },
      xAxis: axis(colours, {
        type: "value",
        ...(kind === "%"
          ? { max: 1, interval: 0.25, axisLabel: ticks(kind) }
          : steps(kind, Math.max(top, limit?.value ?? 0), size)),
      }),
      yAxis: axis(colours, {
        type: "category",
        inverse: true,
        data: names,
        axisLabel: { width: size.is_narrow ? 90 : 200, overflow: "truncate" },
      }),
      tooltip: {
        formatter: ({ seriesName, dataIndex, value }) =>
          tip(names[dataIndex], [[seriesName, text_of(value, kind)]]),
      },
      series: parts.map(({ part, values }, i) => ({
        type: "bar",
        name: part,
        stack: "sum",
        barMaxWidth: 26,
        itemStyle: { borderColor: colours.paper, borderWidth: 1, ...decal(colours, i) },
        data: values,
        ...(limit && i === 0 ? { markLine: limit_line(colours, limit) } : {}),
      })),
    };
  };
}

/** Beyond the palette, hatching tells the colours apart that come again. */
function decal(colours, index) {
  if (index < colours.palette.length) return {};
  return { decal: { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: 0.7 } };
}

export function limit_line(colours, { value, text }) {
  return {
    silent: true,
    symbol: "none",
    lineStyle: { color: colours.alarm, width: 2, type: "dashed" },
    label: {
      formatter: text,
      color: colours.alarm,
      position: "start",
      distance: 4,
    },
    data: [{ xAxis: value }],
  };
}

/** Parts that occur in any of `breakdowns`, with the value of each. */
export function merged_parts(breakdowns, name = (part) => part) {
  const keys = [...new Set(breakdowns.flatMap((one) => Object.keys(one ?? {})))];
  return keys
    .map((key) => ({ part: name(key), values: breakdowns.map((one) => one?.[key] ?? 0) }))
    .filter(({ values }) => values.some((value) => value !== 0));
}

/** The same as rows of a table: a column for each name. */
export function parts_table(names, parts, kind) {
  return {
    columns: [
      { key: "part", label: "part" },
      ...names.map((name, i) => ({ key: `v${i}`, label: name, kind })),
    ],
    rows: parts.map(({ part, values }) =>
      Object.fromEntries([["part", part], ...values.map((value, i) => [`v${i}`, value])]),
    ),
  };
}

export const part_columns = (kind) => [
  { key: "part", label: "part" },
  { key: "value", label: kind === "s" ? "time" : "value", kind },
  { key: "share", label: "share", kind: "%" },
];

export function with_share(rows, total) {
  return rows.map((row) => ({ ...row, share: row.value / total }));
}
