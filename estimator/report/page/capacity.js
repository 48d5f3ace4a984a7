// Capacities: what devices serve.
import { axis, figure } from "./chart.js";
import { facts, h, notes, tip } from "./dom.js";
import { layout_text, text_of, ticks, words } from "./format.js";
import {
  part_columns,
  parts_of,
  merged_parts,
  parts_table,
  sign,
  stacked,
  waterfall,
  with_share,
} from "./marks.js";
import { comparison } from "./table.js";

/** "tp=2,pp=4", or that it is one device. */
function replica_text(layout) {
  return layout ? layout_text(layout) || "one device" : null;
}

const compared = [
  ["model", "text", (d) => d.inputs.model.name],
  ["devices", "text", (d) => `${d.inputs.cluster.devices} × ${d.inputs.cluster.device}`],
  ["precision", "text", (d) => d.inputs.precision],
  ["a replica", "text", (d) => replica_text(d.layout)],
  ["batch", "integer", (d) => d.batch],
  ["a device", "tokens/s", (d) => d.tokens_per_s_per_device],
  ["all", "tokens/s", (d) => d.tokens_per_s],
  ["first token", "s", (d) => d.ttft_s],
  ["a token", "s", (d) => d.tpot_s],
  ["replicas", "count", (d) => d.replicas],
  ["copies", "count", (d) => d.copies],
  ["speed of a person", "x", (d) => d.speed_x_human],
  ["human-equivalents", "count", (d) => d.human_equivalents],
  ["work-years a year, round the clock", "count", (d) => d.work_years_per_year],
  ["in years of 2,000 h", "count", (d) => d.work_years_per_year_2000h],
  ["a million tokens", "USD", (d) => d.usd_per_million_tokens],
];

function points_of({ name, document: d }) {
  const { words_per_minute, tokens_per_word } = d.inputs;
  const person = (words_per_minute * tokens_per_word) / 60;
  return d.pareto.map((point) => ({
    ...point,
    name,
    replica: replica_text(point.layout),
    copies:
      (point.tokens_per_s_per_device * d.inputs.cluster.devices) / point.tokens_per_s_per_user,
    speed: point.tokens_per_s_per_user / person,
  }));
}

const point_columns = [
  { key: "name", label: "result" },
  { key: "replica", label: "replica" },
  { key: "batch", label: "batch", kind: "integer" },
  { key: "tokens_per_s_per_user", label: "of a user", kind: "tokens/s" },
  { key: "tokens_per_s_per_device", label: "of a device", kind: "tokens/s" },
  { key: "tpot_s", label: "a token", kind: "s" },
  { key: "ttft_s", label: "first token", kind: "s" },
  { key: "copies", label: "copies", kind: "count" },
  { key: "speed", label: "speed of a person", kind: "x" },
];

/** A curve a result: `x` and `y` are [key, kind, axis name]. */
function curves(results, title, note, x, y) {
  const lists = results.map((result) =>
    points_of(result).sort((a, b) => a[x[0]] - b[x[0]] || a[y[0]] - b[y[0]]),
  );
  return figure({
    title,
    note,
    height: 360,
    marks: lists.flat().length,
    data: { columns: point_columns, rows: lists.flat() },
    option: (colours) => ({
      legend: results.length > 1,
      grid: { ...(results.length > 1 ? {} : { top: 16 }) },
      xAxis: axis(colours, { type: "log", name: x[2], axisLabel: ticks(x[1]) }),
      yAxis: axis(colours, { type: "log", name: y[2], nameGap: 56, axisLabel: ticks(y[1]) }),
      tooltip: {
        formatter: ({ seriesIndex, dataIndex }) => {
          const point = lists[seriesIndex][dataIndex];
          return tip(`${point.replica}, batch ${point.batch}`, [
            ["of a user", text_of(point.tokens_per_s_per_user, "tokens/s")],
            ["of a device", text_of(point.tokens_per_s_per_device, "tokens/s")],
            ["a token", text_of(point.tpot_s, "s")],
            ["first token", text_of(point.ttft_s, "s")],
            ["copies", text_of(point.copies, "count")],
            ["speed of a person", text_of(point.speed, "x")],
          ]);
        },
      },
      series: lists.map((points, i) => ({
        type: "line",
        name: results[i].name,
        symbol: sign(i),
        symbolSize: 8,
        data: points.map((point) => [point[x[0]], point[y[0]]]),
      })),
    }),
  });
}

function one(result) {
  const { name, document: d } = result;
  const rows = parts_of(d.breakdown_s).map(({ part, value }) => ({ part: words(part), value }));
  const total = { part: "iteration", value: rows.reduce((sum, { value }) => sum + value, 0) };
  const memory = merged_parts([d.memory_bytes], words);
  const capacity = d.inputs.cluster.memory_per_device_bytes;
  return h(
    "section",
    { class: "result" },
    h("h3", {}, name),
    d.feasible ? null : h("p", { class: "alarm" }, `Nothing fits: ${d.infeasible_reason}.`),
    facts(compared.map(([label, kind, value]) => [label, text_of(value(d), kind)])),
    h(
      "div",
      { class: "charts" },
      rows.length
        ? figure({
            title: `Where an iteration's time goes: ${name}`,
            height: 60 + 30 * (rows.length + 1),
            data: { columns: part_columns("s"), rows: with_share([...rows, total], total.value) },
            option: waterfall(rows, total, "s"),
          })
        : null,
      memory.length
        ? figure({
            title: `Memory of a device: ${name}`,
            height: 150,
            data: parts_table([name], memory, "B"),
            option: stacked([name], memory, "B", {
              value: capacity,
              text: `capacity ${text_of(capacity, "B")}`,
            }),
          })
        : null,
    ),
    d.by_flop_ratio ? h("p", { class: "note" }, `${d.by_flop_ratio.explanation}.`) : null,
    notes(d.notes),
  );
}

export function capacity_section(results) {
  const drawn = results.filter(({ document: d }) => d.pareto.length > 0);
  return [
    results.length > 1 ? comparison(results, compared, "Capacities side by side") : null,
    drawn.length
      ? h(
          "div",
          { class: "charts" },
          curves(
            drawn,
            "Throughput against interactivity",
            "Every layout and batch that no other beats in both.",
            ["tokens_per_s_per_user", "count", "tokens/s of a user"],
            ["tokens_per_s_per_device", "count", "tokens/s of a device"],
          ),
          curves(
            drawn,
            "Copies against speed",
            "How many streams run at once, and how fast beside a person.",
            ["speed", "x", "speed of a person"],
            ["copies", "count", "copies"],
          ),
        )
      : null,
    results.map(one),
  ];
}
