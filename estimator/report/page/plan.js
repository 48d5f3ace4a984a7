// Plans: the front, the layouts, why the second is not the first.
import { axis, figure } from "./chart.js";
import { facts, h, notes, tip } from "./dom.js";
import { layout_text, text_of, ticks, words } from "./format.js";
import { bars, merged_parts, parts_table, stacked, steps } from "./marks.js";
import { comparison, records, table } from "./table.js";

const degrees = ["tp", "pp", "vp", "cp", "ep", "etp", "dp"];

const compared = [
  ["model", "text", (d) => d.inputs.model],
  ["cluster", "text", (d) => `${d.inputs.cluster} (${d.inputs.device})`],
  ["best layout", "text", (d) => layout_text(d.best[0]?.layout)],
  ["its step", "s", (d) => d.best[0]?.step_time_s],
  ["candidates", "count", (d) => d.enumerated],
  ["priced", "count", (d) => d.evaluated],
  ["feasible", "text", (d) => d.feasible],
  ["took", "s", (d) => d.elapsed_s],
];

const layout_columns = [
  { key: "place", label: "#", kind: "integer" },
  ...degrees.map((degree) => ({ key: degree, label: degree, kind: "integer" })),
  { key: "devices", label: "devices", kind: "integer" },
  { key: "batch", label: "batch", kind: "integer" },
  { key: "micro_batch", label: "micro-batch", kind: "integer" },
  { key: "schedule", label: "schedule" },
  { key: "recompute", label: "recompute" },
  { key: "zero", label: "zero", kind: "integer" },
  { key: "sp", label: "sp", paper: false },
  { key: "overlap", label: "overlap", paper: false },
  { key: "step_time_s", label: "step", kind: "s" },
  { key: "band_low_s", label: "band from", kind: "s", paper: false },
  { key: "band_high_s", label: "to", kind: "s", paper: false },
  { key: "mfu", label: "MFU", kind: "%" },
  { key: "tokens_per_s", label: "tokens", kind: "tokens/s", paper: false },
  { key: "bubble_fraction", label: "bubble", kind: "%", paper: false },
  { key: "memory_peak_bytes", label: "memory", kind: "B" },
  { key: "days", label: "run", kind: "days" },
  { key: "cost_usd", label: "cost", kind: "USD" },
  { key: "energy_kwh", label: "energy", kind: "kWh", paper: false },
  { key: "behind", label: "behind the first by", paper: false, is_one_line: true },
];

/** Rows with their places, the best first. */
function placed(layouts) {
  return layouts.map((row, i) => ({
    place: i + 1,
    ...row,
    behind: row.slower_because && words(row.slower_because),
  }));
}

const number = (value) => value.toLocaleString("en-US");

function short(row) {
  return layout_text(Object.fromEntries(degrees.map((degree) => [degree, row[degree]])));
}

function lines_of(row) {
  return [
    ["step", text_of(row.step_time_s, "s")],
    ["MFU", text_of(row.mfu, "%")],
    ["memory", text_of(row.memory_peak_bytes, "B")],
    ["micro-batch", String(row.micro_batch)],
    ["schedule", row.schedule],
    ["recompute", row.recompute],
    ...(row.days ? [["run", text_of(row.days, "days")]] : []),
    ...(row.cost_usd ? [["cost", text_of(row.cost_usd, "USD")]] : []),
  ];
}

function objectives_of({ inputs }) {
  const { objective, second_objective } = inputs;
  return second_objective ? `${objective}, then ${second_objective}` : objective;
}

/** What the front is drawn over: cost and time where runs are priced, else memory and time. */
function axes_of(document) {
  const wants_cost = ["objective", "second_objective"].some(
    (key) => document.inputs[key] === "cost",
  );
  const rows = records(document.pareto);
  return wants_cost && rows.every(({ days, cost_usd }) => days && cost_usd)
    ? { x: ["days", "days", "days of the run"], y: ["cost_usd", "USD", "cost of the run"] }
    : { x: ["step_time_s", "s", "step time"], y: ["memory_peak_bytes", "B", "peak memory"] };
}

function front({ name, document: d }, layouts) {
  const pareto = records(d.pareto);
  const { x, y } = axes_of(d);
  const cloud = x[0] === "step_time_s" ? (d.cloud ?? []) : [];
  const point = (row) => [row[x[0]], row[y[0]]];
  const sets = [layouts, pareto];
  const most_memory = Math.max(...sets.flat().map((row) => row.memory_peak_bytes));
  return figure({
    title: `Layouts and the front: ${name}`,
    note:
      `${number(pareto.length)} on the front, ${number(layouts.length)} layouts beside them` +
      (cloud.length
        ? `, small: a sample of ${number(cloud.length)} of all ${number(d.layouts.total)}`
        : "") +
      ".",
    height: 380,
    marks: layouts.length + cloud.length,
    data: { columns: layout_columns, rows: placed(pareto) },
    option: (colours) => ({
      legend: true,
      xAxis: axis(colours, { type: "value", scale: true, name: x[2], axisLabel: ticks(x[1]) }),
      yAxis: axis(colours, {
        type: "value",
        scale: true,
        name: y[2],
        nameGap: 62,
        ...(y[1] === "B" ? { ...steps("B", most_memory), min: 0 } : { axisLabel: ticks(y[1]) }),
      }),
      tooltip: {
        formatter: ({ seriesIndex, dataIndex }) =>
          seriesIndex < 2
            ? tip(short(sets[seriesIndex][dataIndex]), lines_of(sets[seriesIndex][dataIndex]))
            : "",
      },
      series: [
        {
          type: "scatter",
          name: "layouts",
          symbolSize: 7,
          data: layouts.map(point),
        },
        {
          type: "line",
          name: "front",
          symbol: "diamond",
          symbolSize: 11,
          step: "end",
          color: colours.palette[5],
          data: pareto.map(point).sort((a, b) => a[0] - b[0]),
        },
        {
          type: "scatter",
          name: "sample of all",
          silent: true,
          symbolSize: 2,
          z: 1,
          color: colours.muted,
          data: cloud,
        },
      ].slice(0, cloud.length ? 3 : 2),
    }),
  });
}

function axis_name(key, { is_narrow }) {
  if (key === "step_time_s") return "step";
  if (key === "tokens_per_s") return "tokens/s";
  return is_narrow && key === "micro_batch" ? "mb" : words(key);
}

function parallel(result, layouts) {
  const shown = layouts.slice(0, 500);
  // The best are drawn last, over the others.
  const drawn = [...shown].reverse();
  const keys = [...degrees, "micro_batch", "zero"].filter((key) =>
    shown.some((row) => row[key] !== shown[0][key]),
  );
  if (keys.length < 2 || shown.length < 2) return null;
  // Steps of batches of different size say nothing about each other.
  const is_one_batch = shown.every(({ batch }) => batch === shown[0].batch);
  const [last, kind] = is_one_batch ? ["step_time_s", "s"] : ["tokens_per_s", "count"];
  const axes = [...keys, last];
  const speeds = shown.map((row) => row[last]);
  const shades = (colours) => [colours.palette[0], colours.line];
  return figure({
    title: `Degrees of the layouts: ${result.name}`,
    note: `A line a layout, ${shown.length} of the best; the stronger its colour, the faster.`,
    height: 360,
    marks: shown.length * axes.length,
    data: { columns: layout_columns, rows: shown },
    option: (colours, size) => ({
      parallel: { left: 24, right: size.is_narrow ? 52 : 60, top: 36, bottom: 24 },
      parallelAxis: axes.map((key, dim) => ({
        dim,
        name: axis_name(key, size),
        nameTruncate: { maxWidth: 120 },
        type: key === last ? "value" : "category",
        scale: true,
        data:
          key === last
            ? undefined
            : [...new Set(shown.map((row) => row[key]))].sort((a, b) => a - b).map(String),
        nameTextStyle: { color: colours.ink, fontSize: size.is_narrow ? 9 : 12 },
        axisLine: { lineStyle: { color: colours.muted } },
        // On paper of its own: lines cross where it stands.
        axisLabel: {
          color: colours.ink,
          textBorderColor: colours.paper,
          textBorderWidth: 3,
          ...(key === last ? ticks(kind) : {}),
        },
      })),
      visualMap: {
        show: false,
        dimension: axes.length - 1,
        min: Math.min(...speeds),
        max: Math.max(...speeds) || 1,
        inRange: { color: is_one_batch ? shades(colours) : shades(colours).reverse() },
      },
      tooltip: {
        formatter: ({ dataIndex }) => tip(short(drawn[dataIndex]), lines_of(drawn[dataIndex])),
      },
      series: [
        {
          type: "parallel",
          lineStyle: { width: 1.5, opacity: 0.6 },
          data: drawn.map((row) => axes.map((key) => (key === last ? row[key] : String(row[key])))),
        },
      ],
    }),
  });
}

function runner_up({ name, document: d }) {
  const is_one_batch = d.best.every(({ batch }) => batch === d.best[0].batch);
  const batch_of = ({ batch }) => (is_one_batch ? "" : `, batch ${batch}`);
  const best = d.best
    .map((one, i) => ({ ...one, name: `${i + 1}. ${layout_text(one.layout)}${batch_of(one)}` }))
    .filter(({ breakdown_s }) => breakdown_s);
  if (best.length < 2) return null;
  const names = best.map((one) => one.name);
  const parts = merged_parts(
    best.map(({ breakdown_s }) => breakdown_s),
    words,
  );
  const [first, second] = d.best;
  const behind = text_of(second.step_time_s - first.step_time_s, "s");
  return figure({
    title: `Why the runner-up lost: ${name}`,
    note: `The second is behind the first by ${words(second.slower_because ?? `${behind} a step`)}.`,
    height: 110 + 34 * names.length,
    data: parts_table(names, parts, "s"),
    option: stacked(names, parts, "s"),
  });
}

function rejected({ name, document: d }) {
  const rows = [
    ...Object.entries(d.rejected).map(([rule, count]) => ({ part: words(rule), value: count })),
    ...Object.entries(d.not_modelled ?? {}).map(([rule, count]) => ({
      part: `not modelled: ${rule}`,
      value: count,
    })),
    { part: "priced", value: d.evaluated },
  ].filter(({ value }) => value > 0);
  return figure({
    title: `What became of ${text_of(d.enumerated, "count")} candidates: ${name}`,
    height: 60 + 28 * rows.length,
    data: {
      columns: [
        { key: "part", label: "rule" },
        { key: "value", label: "layouts", kind: "count" },
      ],
      rows,
    },
    option: bars(rows, "count", {
      what: "layouts",
      x: { type: "log", min: 1 },
      colour_of: ({ part }, { palette }) => palette[part === "priced" ? 2 : 7],
    }),
  });
}

function one(result) {
  const { name, document: d } = result;
  const layouts = placed(records(d.layouts));
  const [best] = layouts;
  return h(
    "section",
    { class: "result" },
    h("h3", {}, name),
    h(
      "p",
      {},
      `${d.inputs.model} on ${d.inputs.cluster} (${d.inputs.device}), ${d.inputs.seq} tokens a ` +
        `sequence, ${d.inputs.precision}, ${d.inputs.software}; best by ${objectives_of(d)}.`,
    ),
    d.feasible ? null : h("p", { class: "alarm" }, `Nothing fits: ${d.infeasible_reason}.`),
    best
      ? facts([
          ["best layout", short(best)],
          ["its step", text_of(best.step_time_s, "s")],
          ["90 % band", text_of([best.band_low_s, best.band_high_s], "s")],
          ["MFU", text_of(best.mfu, "%")],
          ["memory", text_of(best.memory_peak_bytes, "B")],
          ["candidates", text_of(d.enumerated, "count")],
          ["priced", text_of(d.evaluated, "count")],
          ["in", text_of(d.elapsed_s, "s")],
        ])
      : null,
    h(
      "div",
      { class: "charts" },
      best ? front(result, layouts) : null,
      best ? runner_up(result) : null,
      best ? parallel(result, layouts) : null,
      rejected(result),
    ),
    best ? h("h4", {}, "Layouts, the best first") : null,
    d.layouts.total > layouts.length
      ? h(
          "p",
          { class: "note" },
          `The best ${number(layouts.length)} of ${number(d.layouts.total)} in the file.`,
        )
      : null,
    best ? table(layout_columns, layouts, `Layouts of ${name}`) : null,
    notes(d.notes),
  );
}

export function plan_section(results) {
  return [
    results.length > 1 ? comparison(results, compared, "Plans side by side") : null,
    results.map(one),
  ];
}
