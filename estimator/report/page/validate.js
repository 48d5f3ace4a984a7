// Validations: predicted against published.
import { axis, figure } from "./chart.js";
import { facts, h, tip } from "./dom.js";
import { shortened, text_of, ticks, words } from "./format.js";
import { limit_line } from "./marks.js";
import { comparison, records, table } from "./table.js";

// More would not fit on a sheet of paper.
const most_groups = 24;

const compared = [
  ["priced", "integer", (d) => d.priced],
  ["rows", "integer", (d) => d.total],
  ["mean error", "%", (d) => d.mape],
  ["bias", "+%", (d) => d.bias],
  ["90th percentile", "%", (d) => d.p90],
  ["worst", "%", (d) => d.max],
  ["Spearman", "number", (d) => d.spearman],
  ["in the 90 % band", "%", (d) => d.coverage],
];

const row_columns = [
  { key: "id", label: "row" },
  { key: "published_s", label: "published", kind: "s" },
  { key: "predicted_s", label: "predicted", kind: "s" },
  { key: "error", label: "error", kind: "+%" },
  { key: "band_low_s", label: "band from", kind: "s" },
  { key: "band_high_s", label: "to", kind: "s" },
  { key: "in_band", label: "in band" },
  { key: "source", label: "source" },
  { key: "layout", label: "layout" },
  { key: "software", label: "software", paper: false },
  { key: "tier", label: "tier", paper: false },
  { key: "assumed_text", label: "assumed", paper: false },
  { key: "skip_reason", label: "why not priced" },
];

const group_columns = [
  { key: "name", label: "group" },
  { key: "priced", label: "priced", kind: "integer" },
  { key: "total", label: "rows", kind: "integer" },
  { key: "mape", label: "mean error", kind: "%" },
  { key: "bias", label: "bias", kind: "+%" },
  { key: "p90", label: "90th percentile", kind: "%" },
  { key: "max", label: "worst", kind: "%" },
  { key: "spearman", label: "Spearman", kind: "number" },
  { key: "coverage", label: "in band", kind: "%" },
  { key: "half_width", label: "half-width of the band", kind: "%" },
];

function rows_of(document) {
  return records(document.rows).map((row) => ({
    ...row,
    source: row.groups?.find((group) => group.startsWith("source: "))?.slice(8) ?? row.groups?.[0],
    assumed_text: [row.assumed ?? []].flat().join(", "),
    in_band:
      row.band_low_s === null
        ? null
        : row.band_low_s <= row.published_s && row.published_s <= row.band_high_s,
  }));
}

function scatter(name, rows) {
  const priced = rows.filter(({ predicted_s, published_s }) => predicted_s > 0 && published_s > 0);
  const values = priced.flatMap(({ published_s, predicted_s }) => [published_s, predicted_s]);
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  const sets = [true, false, null].map((state) => priced.filter((row) => row.in_band === state));
  const titles = ["published in the 90 % band", "outside", "without a band"];
  const used = [0, 1, 2].filter((i) => sets[i].length);
  const line = (factor) => [
    [low, low * factor],
    [high, high * factor],
  ];
  const guide = (colours, factor, type) => ({
    type: "line",
    silent: true,
    symbol: "none",
    tooltip: { show: false },
    lineStyle: { color: colours.muted, width: 1, type },
    clip: true,
    data: line(factor),
  });
  return figure({
    title: `Predicted against published: ${name}`,
    note: "On the line the prediction is right; the dotted lines are 20 % off.",
    height: 440,
    marks: priced.length,
    data: { columns: row_columns, rows: priced },
    option: (colours) => ({
      legend: true,
      xAxis: axis(colours, {
        type: "log",
        min: low,
        max: high,
        name: "published",
        axisLabel: ticks("s"),
      }),
      yAxis: axis(colours, {
        type: "log",
        min: low,
        max: high,
        name: "predicted",
        nameGap: 56,
        axisLabel: ticks("s"),
      }),
      tooltip: {
        formatter: ({ seriesName, dataIndex }) => {
          const row = sets[titles.indexOf(seriesName)]?.[dataIndex];
          return row
            ? tip(row.id, [
                ["published", text_of(row.published_s, "s")],
                ["predicted", text_of(row.predicted_s, "s")],
                ["error", text_of(row.error, "+%")],
                ["source", text_of(row.source)],
              ])
            : "";
        },
      },
      series: [
        ...used.map((i) => ({
          type: "scatter",
          name: titles[i],
          symbol: ["circle", "triangle", "rect"][i],
          symbolSize: priced.length > 300 ? 6 : 9,
          itemStyle: { opacity: 0.65, color: colours.palette[[0, 5, 7][i]] },
          data: sets[i].map(({ published_s, predicted_s }) => [published_s, predicted_s]),
        })),
        guide(colours, 1, "solid"),
        guide(colours, 1.2, "dotted"),
        guide(colours, 1 / 1.2, "dotted"),
      ],
    }),
  });
}

/** Groups by what their names begin with: "source: ", "device: ". */
function kinds_of(groups) {
  const kinds = new Map();
  for (const group of groups.filter(({ mape }) => mape !== null)) {
    const colon = group.name.indexOf(": ");
    const kind = colon < 0 ? "group" : group.name.slice(0, colon);
    const row = { ...group, label: colon < 0 ? group.name : group.name.slice(colon + 2) };
    kinds.set(kind, [...(kinds.get(kind) ?? []), row]);
  }
  return kinds;
}

/** A group a bar, with its number of rows. */
function group_axis(colours, rows, size) {
  return axis(colours, {
    type: "category",
    inverse: true,
    data: rows.map(
      ({ label, priced }) => `${shortened(label, size.is_narrow ? 14 : 36)} (${priced})`,
    ),
  });
}

function error_bars(name, kind, groups) {
  const rows = [...groups].sort((a, b) => b.priced - a.priced).slice(0, most_groups);
  return figure({
    title: `Error by ${kind}: ${name}`,
    note:
      "Bars: mean error and bias, the largest groups first." +
      (rows.length < groups.length ? ` The ${rows.length} largest of ${groups.length}.` : ""),
    height: 90 + 34 * rows.length,
    data: { columns: group_columns, rows: groups },
    option: (colours, size) => ({
      legend: true,
      grid: { right: 24 },
      xAxis: axis(colours, { type: "value", axisLabel: ticks("%"), splitNumber: 4 }),
      yAxis: group_axis(colours, rows, size),
      tooltip: {
        formatter: ({ dataIndex }) => {
          const row = rows[dataIndex];
          return tip(row.label, [
            ["priced", `${row.priced} of ${row.total}`],
            ["mean error", text_of(row.mape, "%")],
            ["bias", text_of(row.bias, "+%")],
            ["90th percentile", text_of(row.p90, "%")],
            ["worst", text_of(row.max, "%")],
            ["in band", text_of(row.coverage, "%")],
          ]);
        },
      },
      series: [
        ["mean error", "mape", 0],
        ["bias", "bias", 1],
      ].map(([label, key, colour]) => ({
        type: "bar",
        name: label,
        barMaxWidth: 12,
        barGap: "10%",
        itemStyle: { color: colours.palette[colour] },
        data: rows.map((row) => row[key]),
      })),
    }),
  });
}

/** The share of each group's rows inside the band, beside the 90 % that it promises. */
function coverage_bars(name, kind, groups) {
  const known = groups.filter(({ coverage }) => coverage !== null && coverage !== undefined);
  const rows = known.sort((a, b) => b.priced - a.priced).slice(0, most_groups);
  if (rows.length === 0) return null;
  return figure({
    title: `Inside the band by ${kind}: ${name}`,
    note: "The share of the rows that the 90 % band holds, the largest groups first.",
    height: 90 + 26 * rows.length,
    data: { columns: group_columns, rows: known },
    option: (colours, size) => ({
      grid: { right: 28, top: 30 },
      xAxis: axis(colours, {
        type: "value",
        max: 1,
        interval: 0.25,
        axisLabel: ticks("%"),
      }),
      yAxis: group_axis(colours, rows, size),
      tooltip: {
        formatter: ({ dataIndex }) => {
          const row = rows[dataIndex];
          return tip(row.label, [
            ["in band", text_of(row.coverage, "%")],
            ["half-width", text_of(row.half_width, "%")],
            ["priced", `${row.priced} of ${row.total}`],
          ]);
        },
      },
      series: [
        {
          type: "bar",
          barMaxWidth: 14,
          itemStyle: { color: colours.palette[0] },
          data: rows.map(({ coverage }) => coverage),
          markLine: limit_line(colours, { value: 0.9, text: "90 %" }),
        },
      ],
    }),
  });
}

function histogram(name, rows) {
  const errors = rows.map(({ error }) => error).filter((error) => error !== null);
  if (errors.length < 10) return null;
  const width = 0.05;
  const bins = Array.from({ length: 40 }, (_, i) => ({ from: -1 + i * width, count: 0 }));
  for (const error of errors) {
    const bin = Math.floor((error + 1) / width);
    bins[Math.min(Math.max(bin, 0), bins.length - 1)].count += 1;
  }
  const named = bins.map((bin, i) => ({
    ...bin,
    range:
      i === bins.length - 1
        ? `${text_of(bin.from, "+%")} and above`
        : `${text_of(bin.from, "+%")} to ${text_of(bin.from + width, "+%")}`,
  }));
  return figure({
    title: `Distribution of the errors: ${name}`,
    note: "In steps of 5 %; below zero the prediction was too fast.",
    data: {
      columns: [
        { key: "range", label: "error" },
        { key: "count", label: "rows", kind: "integer" },
      ],
      rows: named,
    },
    option: (colours) => ({
      xAxis: axis(colours, {
        type: "category",
        name: "error",
        data: named.map(({ from }) => text_of(Math.round(from * 100) / 100, "+%")),
      }),
      yAxis: axis(colours, { type: "value", name: "rows", nameGap: 40 }),
      tooltip: {
        formatter: ({ dataIndex }) =>
          tip(named[dataIndex].range, [["rows", String(named[dataIndex].count)]]),
      },
      series: [{ type: "bar", barCategoryGap: "8%", data: named.map(({ count }) => count) }],
    }),
  });
}

function extra_tables({ document: d }) {
  const any = (key, label, kind) => ({ key, label, kind });
  const error_kinds = [any("mape", "mean error", "%"), any("bias", "bias", "+%")];
  const lists = [
    [
      "Rows that were not priced",
      d.unpriced,
      [any("rows", "rows", "integer"), any("source", "source"), any("reason", "reason")],
    ],
    [
      "Beside simple baselines (mean error)",
      d.baselines,
      [
        any("name", "set"),
        any("rows", "rows", "integer"),
        any("mape", "forerun", "%"),
        any("constant_hfu_mape", "constant HFU", "%"),
        any("constant_hfu_bubble_mape", "with bubble", "%"),
        any("linear_leave_one_size_out_mape", "linear, a size left out", "%"),
      ],
    ],
    [
      "Memory against published peaks",
      d.memory?.groups,
      [
        any("name", "group"),
        any("rows", "rows", "integer"),
        ...error_kinds,
        any("max", "worst", "%"),
      ],
    ],
    [
      "Published maxima and predicted upper bounds",
      records(d.upper_bound?.rows),
      [
        any("id", "row"),
        any("published", "published", "tokens/s"),
        any("predicted", "predicted", "tokens/s"),
        any("ratio", "ratio", "x"),
        any("skip_reason", "why not priced"),
      ],
    ],
  ];
  return lists
    .filter(([, list]) => list?.length)
    .map(([title, list, columns]) =>
      h("details", { class: "more" }, h("summary", {}, title), table(columns, list, title)),
    );
}

function one(result) {
  const { name, document: d } = result;
  const rows = rows_of(d);
  const by_kind = kinds_of(d.groups);
  return h(
    "section",
    { class: "result" },
    h("h3", {}, name),
    facts(compared.map(([label, kind, value]) => [label, text_of(value(d), kind)])),
    h(
      "div",
      { class: "charts" },
      d.priced > 0 ? scatter(name, rows) : null,
      histogram(name, rows),
      by_kind.has("source") ? coverage_bars(name, "source", by_kind.get("source")) : null,
      [...by_kind].map(([kind, groups]) =>
        error_bars(name, kind === "parallel" ? "kind of parallelism" : words(kind), groups),
      ),
    ),
    h("h4", {}, "All rows"),
    d.rows.total > rows.length
      ? h("p", { class: "note" }, `The first ${rows.length} of ${d.rows.total} in the file.`)
      : null,
    table(row_columns, rows, `Rows of ${name}`),
    extra_tables(result),
  );
}

export function validate_section(results) {
  return [
    results.length > 1 ? comparison(results, compared, "Validations side by side") : null,
    results.map(one),
  ];
}
