// Profiles: what a cluster's kernels and collectives were measured to cost.
import { axis, figure } from "./chart.js";
import { facts, h, notes, tip } from "./dom.js";
import { text_of, ticks, words } from "./format.js";
import { key_fields } from "./keys.js";
import { comparison, records, table } from "./table.js";
import { sequential } from "./theme.js";
import { topology_charts } from "./topology.js";

const best = (rows, key) => Math.max(0, ...rows.map((row) => row[key] ?? 0)) || null;

const compared = [
  ["device", "text", (d) => d.device.name],
  ["ranks", "integer", (d) => d.topology.ranks],
  ["hosts", "integer", (d) => new Set(d.topology.hosts).size],
  ["measured", "text", (d) => d.date],
  ["kernels", "integer", (d) => d.kernels.total],
  ["collectives", "integer", (d) => d.collectives.total],
  ["fastest kernel", "FLOP/s", (d) => best(records(d.kernels), "flop_per_s")],
  ["most traffic", "B/s", (d) => best(records(d.kernels), "bytes_per_s")],
  ["best bus bandwidth", "B/s", (d) => best(records(d.collectives), "busbw_bytes_per_s")],
  ["skipped", "integer", (d) => d.skipped.length],
  ["took", "s", (d) => d.elapsed_s],
];

const kernel_columns = [
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
const collective_columns = [
  { key: "key", label: "collective" },
  { key: "median_s", label: "alone, median", kind: "s" },
  { key: "low_s", label: "95 % from", kind: "s" },
  { key: "high_s", label: "to", kind: "s" },
  { key: "samples", label: "samples", kind: "integer" },
  { key: "algbw_bytes_per_s", label: "back to back, size over time", kind: "B/s" },
  { key: "busbw_bytes_per_s", label: "bus bandwidth", kind: "B/s" },
  { key: "flags_text", label: "flags" },
];

function with_fields(list) {
  return records(list).map((row) => ({
    ...row,
    ...key_fields(row.key),
    flags_text: (row.flags ?? []).join(", "),
    intensity: row.bytes > 0 ? row.flop / row.bytes : null,
  }));
}

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
function roofline({ name }, kernels) {
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
      `${text_of(traffic, "B/s")}. A point above its slope reads from cache.`,
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
        ...sets.map((set, i) => ({
          type: "scatter",
          name: groups[i],
          symbol: ["circle", "triangle", "rect", "diamond"][Math.floor(i / 8) % 4],
          symbolSize: 8,
          itemStyle: { opacity: 0.75 },
          data: set.map(({ intensity, flop_per_s }) => [intensity, flop_per_s]),
        })),
        {
          type: "line",
          silent: true,
          symbol: "none",
          tooltip: { show: false },
          color: colours.muted,
          lineStyle: { width: 2 },
          data: roof,
        },
      ],
    }),
  });
}

/** Products over (m, n·k), coloured by their rate. */
function gemm_rates({ name }, kernels) {
  const products = kernels.filter(({ kind, m, n, k }) => kind === "gemm" && m && n && k);
  if (!products.length) return null;
  const types = [...new Set(products.map(({ type }) => type))];
  const rates = products.map(({ flop_per_s }) => flop_per_s);
  const sets = types.map((type) => products.filter((row) => row.type === type));
  return figure({
    title: `Rate of products: ${name}`,
    note: `By rows m and by n·k; the colour is the rate. ${types.join(", ")}.`,
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
      xAxis: axis(colours, { type: "log", name: "m", axisLabel: ticks("count") }),
      yAxis: axis(colours, { type: "log", name: "n·k", nameGap: 48, axisLabel: ticks("count") }),
      visualMap: {
        show: !size.is_narrow && Math.max(...rates) > Math.min(...rates),
        type: "continuous",
        min: Math.min(...rates),
        max: Math.max(...rates),
        dimension: 2,
        right: 0,
        top: "middle",
        itemHeight: 160,
        text: [Math.max(...rates), Math.min(...rates)].map((rate) => text_of(rate, "FLOP/s")),
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
        symbol: ["circle", "triangle", "rect", "diamond"][i % 4],
        symbolSize: 12,
        itemStyle: { borderColor: colours.muted, borderWidth: 0.5 },
        data: set.map(({ m, n, k, flop_per_s }) => [m, n * k, flop_per_s]),
      })),
    }),
  });
}

const symbols = ["circle", "triangle", "rect", "diamond"];

/**
 * Curves of `rows` by `group`, x and y as [key, kind, name]; logarithmic in x. `fit_of(rows)`, where it
 * gives points, is drawn as a line through those of a group.
 */
function curves({
  title,
  note,
  rows,
  columns,
  x,
  y,
  y_type = "value",
  lines,
  fit_of = () => null,
}) {
  const groups = [...new Set(rows.map(({ group }) => group))];
  const sets = groups.map((group) =>
    rows.filter((row) => row.group === group).sort((a, b) => a[x[0]] - b[x[0]]),
  );
  const fits = sets.map(fit_of);
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
        logBase: x[1] === "B" ? 2 : 10,
        name: x[2],
        axisLabel: ticks(x[1]),
      }),
      yAxis: axis(colours, { type: y_type, name: y[2], nameGap: 64, axisLabel: ticks(y[1]) }),
      tooltip: {
        formatter: ({ seriesIndex, dataIndex }) =>
          tip(sets[seriesIndex][dataIndex].key, lines(sets[seriesIndex][dataIndex])),
      },
      series: [
        ...sets.map((set, i) => ({
          type: fits[i] ? "scatter" : "line",
          name: groups[i],
          color: colours.palette[i % colours.palette.length],
          symbol: symbols[Math.floor(i / 8) % 4],
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
          color: colours.palette[i % colours.palette.length],
          data: fit ?? [],
        })),
      ],
    }),
  });
}

function attention_rates({ name }, kernels) {
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

/** Bus bandwidth by the law that was fitted to a group's times, from its least to its largest size. */
function fitted_bandwidth(set, fits) {
  const fit = fits.get(set[0].key.replace(/ bytes=\d+/, ""));
  if (!fit) return null;
  const { bytes: least, algbw_bytes_per_s: rate, busbw_bytes_per_s: bus } = set[0];
  const count = 48;
  const growth = (set.at(-1).bytes / least) ** (1 / count);
  return Array.from({ length: count + 1 }, (_, i) => {
    const bytes = least * growth ** i;
    const time =
      fit.latency_s + fit.seconds_per_byte * bytes + fit.seconds_per_root_byte * Math.sqrt(bytes);
    return [bytes, ((bus / rate) * bytes) / time];
  });
}

function fit_table({ name, document: d }) {
  if (!d.collective_fits?.length) return null;
  const columns = [
    { key: "curve", label: "collective" },
    { key: "sizes", label: "sizes", kind: "integer" },
    { key: "latency_s", label: "latency", kind: "s" },
    { key: "rate", label: "rate of large messages", kind: "B/s" },
    { key: "seconds_per_root_byte", label: "s a root of a byte", kind: "number" },
    { key: "error", label: "mean error", kind: "%" },
  ];
  const rows = d.collective_fits.map((fit) => ({
    ...fit,
    rate: fit.seconds_per_byte > 0 ? 1 / fit.seconds_per_byte : null,
  }));
  return h(
    "details",
    { class: "wide more" },
    h("summary", {}, `Laws fitted to the collectives (${rows.length})`),
    table(columns, rows, `Laws fitted to the collectives of ${name}`),
  );
}

function bus_bandwidths({ name, document: d }, collectives) {
  const fits = new Map((d.collective_fits ?? []).map((fit) => [fit.curve, fit]));
  const rows = collectives
    .filter(({ bytes, busbw_bytes_per_s }) => bytes > 0 && busbw_bytes_per_s > 0)
    .map((row) => ({
      ...row,
      group:
        `${words(row.kind)} ${row.type} ${row.ranks} ranks` +
        (row.concurrent > 1 ? ` × ${row.concurrent}` : ""),
    }));
  if (!rows.length) return null;
  return curves({
    title: `Bus bandwidth over size: ${name}`,
    note:
      "As nccl-tests counts it, of operations back to back: what a link carries, so that groups of " +
      "any size compare." +
      (fits.size
        ? " Dashed: latency, rate and a root between them, fitted to operations alone."
        : ""),
    rows,
    columns: collective_columns,
    x: ["bytes", "B", "size"],
    y: ["busbw_bytes_per_s", "B/s", "bus bandwidth"],
    y_type: "log",
    fit_of: (set) => fitted_bandwidth(set, fits),
    lines: (row) => [
      ["bus bandwidth", text_of(row.busbw_bytes_per_s, "B/s")],
      ["alone, median", text_of(row.median_s, "s")],
      ["95 % interval", text_of([row.low_s, row.high_s], "s")],
      ["samples", String(row.samples)],
    ],
  });
}

function overlap_grid({ name, document: d }) {
  if (!d.overlap?.length) return null;
  const rows = d.overlap.map((point) => ({
    ...point,
    beside: `${words(point.collective)} ${text_of(point.bytes, "B")}`,
  }));
  const kinds = [...new Set(rows.map(({ compute }) => compute))];
  const beside = [...new Set(rows.map((row) => row.beside))];
  const values = rows.map(({ compute_slowdown }) => compute_slowdown ?? 0);
  return figure({
    title: `Computation beside communication: ${name}`,
    note: "How many times longer a computation takes while a collective runs.",
    height: 130 + 36 * beside.length,
    data: {
      columns: [
        { key: "compute", label: "computation" },
        { key: "beside", label: "collective" },
        { key: "compute_alone_s", label: "computation alone", kind: "s" },
        { key: "compute_beside_s", label: "beside it", kind: "s" },
        { key: "collective_alone_s", label: "collective alone", kind: "s" },
        { key: "both_s", label: "both", kind: "s" },
        { key: "compute_slowdown", label: "computation slower", kind: "x" },
        { key: "collective_slowdown", label: "collective slower", kind: "x" },
        { key: "emulated", label: "emulated" },
      ],
      rows,
    },
    option: (colours) => ({
      xAxis: axis(colours, { type: "category", data: kinds, name: "" }),
      yAxis: axis(colours, { type: "category", data: beside }),
      visualMap: {
        show: false,
        min: 1,
        max: Math.max(...values, 1.01),
        inRange: { color: [...sequential].reverse() },
      },
      tooltip: {
        formatter: ({ dataIndex }) => {
          const row = rows[dataIndex];
          return tip(`${row.compute} beside ${row.beside}`, [
            ["computation slower", text_of(row.compute_slowdown, "x")],
            ["collective slower", text_of(row.collective_slowdown, "x")],
            ["both", text_of(row.both_s, "s")],
          ]);
        },
      },
      series: [
        {
          type: "heatmap",
          label: {
            show: true,
            color: "#000000",
            backgroundColor: "rgba(255,255,255,0.75)",
            padding: [2, 4],
            formatter: ({ value }) => text_of(value[2], "x"),
          },
          data: rows.map((row) => [row.compute, row.beside, row.compute_slowdown ?? 0]),
        },
      ],
    }),
  });
}

function one(result) {
  const { name, document: d } = result;
  const kernels = with_fields(d.kernels);
  const collectives = with_fields(d.collectives);
  const { node } = d.topology;
  return h(
    "section",
    { class: "result" },
    h("h3", {}, name),
    facts([
      ...compared.map(([label, kind, value]) => [label, text_of(value(d), kind)]),
      ["processor", node.cpu_model],
      ["cores of a device", text_of(d.device.cores_per_device, "integer")],
      ["memory of a device", text_of(d.device.memory_bytes, "B")],
      ["sustained clock factor", text_of(d.sustained_factor, "number")],
      ...Object.entries(d.software).map(([what, version]) => [words(what), version]),
    ]),
    h(
      "div",
      { class: "charts" },
      roofline(result, kernels),
      gemm_rates(result, kernels),
      attention_rates(result, kernels),
      bus_bandwidths(result, collectives),
      fit_table(result),
      overlap_grid(result),
      topology_charts(result),
    ),
    kernels.length ? [h("h4", {}, "Kernels"), table(kernel_columns, kernels, "Kernels")] : null,
    collectives.length
      ? [h("h4", {}, "Collectives"), table(collective_columns, collectives, "Collectives")]
      : null,
    notes(d.warnings, "Warnings"),
    notes(d.skipped, "Skipped"),
  );
}

export function profile_section(results) {
  return [
    results.length > 1 ? comparison(results, compared, "Profiles side by side") : null,
    results.map(one),
  ];
}
