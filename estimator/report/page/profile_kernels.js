// Kernels of a profile: what rates they reach.
import { axis, figure } from "./chart.js";
import { curves } from "./curves.js";
import { tip } from "./dom.js";
import { text_of, ticks } from "./format.js";
import { guide_line, powers_around, scatters, sign } from "./marks.js";
import { sequential } from "./theme.js";

export const best = (rows, key) => Math.max(0, ...rows.map((row) => row[key] ?? 0)) || null;

export const kernel_columns = [
  { key: "key", label: "kernel" },
  { key: "median_s", label: "median", kind: "s" },
  { key: "low_s", label: "95 % from", kind: "s" },
  { key: "high_s", label: "to", kind: "s" },
  { key: "samples", label: "samples", kind: "integer" },
  { key: "flop_per_s", label: "rate", kind: "FLOP/s" },
  { key: "bytes_per_s", label: "traffic", kind: "B/s" },
  { key: "share_of_peak", label: "of the fastest product", kind: "%" },
  { key: "rank_spread", label: "spread of ranks", kind: "%" },
  { key: "flags_text", label: "flags" },
  { key: "algorithm", label: "code" },
];

function kernel_lines(row) {
  return [
    ["median", text_of(row.median_s, "s")],
    ["95 % interval", text_of([row.low_s, row.high_s], "s")],
    ["rate", text_of(row.flop_per_s, "FLOP/s")],
    ["traffic", text_of(row.bytes_per_s, "B/s")],
    ...(row.share_of_peak ? [["of the fastest product", text_of(row.share_of_peak, "%")]] : []),
  ];
}

/** Every kernel by what it computes per byte, under the fastest of both kinds that was seen. */
export function roofline({ name }, kernels) {
  const drawn = kernels.filter(({ flop, bytes }) => flop > 0 && bytes > 0);
  if (!drawn.length) return null;
  const groups = [...new Set(drawn.map(({ kind, type }) => `${kind} ${type}`))];
  const sets = groups.map((group) => drawn.filter(({ kind, type }) => `${kind} ${type}` === group));
  const peak = best(drawn, "flop_per_s");
  const traffic = best(drawn, "bytes_per_s");
  const intensities = drawn.map(({ intensity }) => intensity);
  const decade = (value, round) => 10 ** round(Math.log10(value));
  const from = decade(Math.min(...intensities, peak / traffic) / 1.5, Math.floor);
  const to = decade(Math.max(...intensities, peak / traffic) * 1.5, Math.ceil);
  const roof = [
    [from, from * traffic],
    [peak / traffic, peak],
    [to, peak],
  ];
  return figure({
    title: `Roofline: ${name}`,
    note:
      `The roof is the best that was measured: ${text_of(peak, "FLOP/s")} and ` +
      `${text_of(traffic, "B/s")}. A point above its slope reads from cache.` +
      (drawn.length < kernels.length
        ? ` ${kernels.length - drawn.length} of ${kernels.length} kernels move bytes alone, without ` +
          "a FLOP, and have no place here."
        : ""),
    height: 400,
    marks: drawn.length,
    data: {
      columns: [
        ...kernel_columns.slice(0, 2),
        { key: "intensity", label: "intensity", kind: "FLOP/B" },
        { key: "flop_per_s", label: "rate", kind: "FLOP/s" },
      ],
      rows: drawn,
    },
    option: (colours) => ({
      legend: true,
      xAxis: axis(colours, {
        type: "log",
        min: from,
        max: to,
        name: "FLOP per byte",
        axisLabel: ticks("number"),
      }),
      yAxis: axis(colours, { type: "log", name: "rate", nameGap: 64, axisLabel: ticks("FLOP/s") }),
      tooltip: {
        formatter: ({ seriesIndex, dataIndex }) =>
          seriesIndex < sets.length
            ? tip(sets[seriesIndex][dataIndex].key, kernel_lines(sets[seriesIndex][dataIndex]))
            : "",
      },
      series: [
        ...scatters(sets, groups, ({ intensity, flop_per_s }) => [intensity, flop_per_s]),
        guide_line(colours, roof, 2),
      ],
    }),
  });
}

/** Products over (m, n·k), coloured by their rate. */
export function gemm_rates({ name }, kernels) {
  const products = kernels.filter(({ kind, m, n, k }) => kind === "gemm" && m && n && k);
  if (!products.length) return null;
  const types = [...new Set(products.map(({ type }) => type))];
  const rates = products.map(({ flop_per_s }) => flop_per_s);
  const slowest = Math.min(...rates);
  const fastest = Math.max(...rates);
  const x_ends = powers_around(products.map(({ m }) => m));
  const y_ends = powers_around(products.map(({ n, k }) => n * k));
  const sets = types.map((type) => products.filter((row) => row.type === type));
  return figure({
    title: `Rate of products: ${name}`,
    note:
      `By rows m and by n·k; the colour is the rate` +
      (slowest < fastest
        ? `, from dark, ${text_of(slowest, "FLOP/s")}, to bright, ${text_of(fastest, "FLOP/s")}. `
        : `, ${text_of(fastest, "FLOP/s")}. `) +
      `${types.join(", ")}.`,
    height: 380,
    marks: products.length,
    data: {
      columns: [
        { key: "key", label: "product" },
        { key: "m", label: "m", kind: "integer" },
        { key: "n", label: "n", kind: "integer" },
        { key: "k", label: "k", kind: "integer" },
        { key: "flop_per_s", label: "rate", kind: "FLOP/s" },
      ],
      rows: products,
    },
    option: (colours, size) => ({
      grid: { right: size.is_narrow ? 20 : 96 },
      xAxis: axis(colours, { type: "log", name: "m", ...x_ends, axisLabel: ticks("count") }),
      yAxis: axis(colours, {
        type: "log",
        name: "n·k",
        nameGap: 48,
        ...y_ends,
        axisLabel: ticks("count"),
      }),
      visualMap: {
        show: !size.is_narrow && fastest > slowest,
        type: "continuous",
        min: slowest,
        max: fastest,
        dimension: 2,
        right: 0,
        top: "middle",
        itemHeight: 160,
        text: [fastest, slowest].map((rate) => text_of(rate, "FLOP/s")),
        textStyle: { color: colours.ink },
        inRange: { color: sequential },
      },
      tooltip: {
        formatter: ({ seriesIndex, dataIndex }) =>
          tip(sets[seriesIndex][dataIndex].key, kernel_lines(sets[seriesIndex][dataIndex])),
      },
      series: sets.map((set, i) => ({
        type: "scatter",
        name: types[i],
        symbol: sign(i),
        symbolSize: 12,
        itemStyle: { borderColor: colours.muted, borderWidth: 1 },
        data: set.map(({ m, n, k, flop_per_s }) => [m, n * k, flop_per_s]),
      })),
    }),
  });
}

export function attention_rates({ name }, kernels) {
  const rows = kernels
    .filter(({ kind, flop_per_s }) => kind.includes("attention") && flop_per_s > 0)
    .map((row) => ({
      ...row,
      length: row.length ?? row.keys ?? row.queries,
      group: `${row.kind} ${row.type}${row.heads ? ` heads=${row.heads}` : ""}`,
    }))
    .filter(({ length }) => length > 0);
  if (!rows.length) return null;
  return curves({
    title: `Rate of attention over length: ${name}`,
    rows,
    columns: [{ key: "length", label: "tokens", kind: "integer" }, ...kernel_columns],
    x: ["length", "count", "tokens"],
    y: ["flop_per_s", "FLOP/s", "rate"],
    lines: kernel_lines,
  });
}
