// Forecasts: quantities by year, what they hang on, what binds.
import { axis, figure } from "./chart.js";
import { facts, h, notes, tip } from "./dom.js";
import { text_of, ticks, words } from "./format.js";
import { comparison, table } from "./table.js";

// Key, kind, name.
const quantities = [
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
const levels = ["p5", "p25", "p50", "p75", "p95"];

const quantile_columns = (kind, first) => [
  first,
  ...[...levels, "mean"].map((key) => ({ key, label: key, kind })),
];

const is_scenario = ({ document: d }) => d.work_years?.p50 !== undefined;

function quantile_lines(row, kind) {
  return [...levels, "mean"].map((level) => [level, text_of(row[level], kind)]);
}

/** A quantity over the years of several forecasts: bands of 50 and 90 %. */
function fan(results, scenario, [key, kind, title]) {
  const rows = results
    .map(({ document: d }) => ({ year: d.year, ...d[key] }))
    .sort((a, b) => a.year - b.year);
  const band = (colours, low, high, opacity, name) => [
    {
      type: "line",
      stack: name,
      silent: true,
      symbol: "none",
      tooltip: { show: false },
      lineStyle: { opacity: 0 },
      data: rows.map((row) => [row.year, Math.log10(row[low])]),
    },
    {
      type: "line",
      name,
      stack: name,
      symbol: "none",
      silent: true,
      tooltip: { show: false },
      stackStrategy: "all",
      lineStyle: { opacity: 0 },
      itemStyle: { color: colours.palette[0], opacity: 2 * opacity },
      areaStyle: { color: colours.palette[0], opacity },
      data: rows.map((row) => [row.year, Math.log10(row[high] / row[low])]),
    },
  ];
  return figure({
    title: `${title[0].toUpperCase()}${title.slice(1)} by year: ${scenario}`,
    note: "Median, and the middle 50 and 90 % of the draws.",
    data: {
      columns: quantile_columns(kind, { key: "year", label: "year", kind: "integer" }),
      rows,
    },
    option: (colours) => ({
      legend: true,
      xAxis: axis(colours, {
        type: "value",
        min: "dataMin",
        max: "dataMax",
        minInterval: 1,
        name: "year",
        axisLabel: { formatter: String },
      }),
      yAxis: axis(colours, {
        type: "value",
        scale: true,
        minInterval: 1,
        name: title,
        nameGap: 62,
        axisLabel: { formatter: (value) => text_of(10 ** value, kind) },
      }),
      tooltip: {
        formatter: ({ dataIndex }) =>
          tip(String(rows[dataIndex].year), quantile_lines(rows[dataIndex], kind)),
      },
      series: [
        ...band(colours, "p5", "p95", 0.2, "90 %"),
        ...band(colours, "p25", "p75", 0.35, "50 %"),
        {
          type: "line",
          name: "median",
          symbolSize: 9,
          color: colours.palette[0],
          data: rows.map((row) => [row.year, Math.log10(row.p50)]),
        },
      ],
    }),
  });
}

/** Quantiles as boxes: 90 % a thin bar, 50 % a thick one, the median a stroke. Logarithmic. */
function box(colours) {
  return (_, api) => {
    const at = (i) => api.coord([api.value(i), api.value(0)]);
    const rect = (from, to, half, opacity) => ({
      type: "rect",
      shape: {
        x: at(from)[0],
        y: at(from)[1] - half,
        width: at(to)[0] - at(from)[0],
        height: 2 * half,
      },
      style: { fill: colours.palette[0], opacity },
    });
    const [x, y] = at(3);
    return {
      type: "group",
      children: [
        rect(1, 5, 4, 0.45),
        rect(2, 4, 9, 0.8),
        {
          type: "line",
          shape: { x1: x, y1: y - 12, x2: x, y2: y + 12 },
          style: { stroke: colours.ink, lineWidth: 2.5 },
        },
      ],
    };
  };
}

function distributions(name, d) {
  const rows = quantities
    .filter(([key]) => d[key]?.p5 > 0)
    .map(([key, kind, title]) => ({ key, kind, name: title, ...d[key] }));
  const spread = Math.max(...rows.map(({ p5, p50, p95 }) => Math.max(p95 / p50, p50 / p5)));
  const decade = 10 ** Math.ceil(Math.log10(spread * 1.1));
  return figure({
    title: `Spread of the quantities: ${name}`,
    note:
      "Each beside its own median (×1): thick the middle 50 % of the draws, thin 90 %. The label " +
      "says the median.",
    height: 70 + 38 * rows.length,
    data: {
      columns: [
        { key: "name", label: "quantity" },
        ...[...levels, "mean"].map((key) => ({ key, label: key, kind: "mixed" })),
      ],
      rows: rows.map((row) => ({
        name: row.name,
        ...Object.fromEntries([...levels, "mean"].map((key) => [key, text_of(row[key], row.kind)])),
      })),
    },
    option: (colours, size) => ({
      xAxis: axis(colours, {
        type: "log",
        name: "times the median",
        min: 1 / decade,
        max: decade,
        axisLabel: ticks("x"),
      }),
      yAxis: axis(colours, {
        type: "category",
        inverse: true,
        data: rows.map((row) => `${row.name}\n${text_of(row.p50, row.kind)}`),
        axisLabel: { lineHeight: 15, fontSize: size.is_narrow ? 10 : 12 },
      }),
      tooltip: {
        formatter: ({ dataIndex }) =>
          tip(rows[dataIndex].name, quantile_lines(rows[dataIndex], rows[dataIndex].kind)),
      },
      series: [
        {
          type: "custom",
          encode: { x: [1, 2, 3, 4, 5], y: 0 },
          renderItem: box(colours),
          data: rows.map((row, i) => [i, ...levels.map((level) => row[level] / row.p50)]),
        },
      ],
    }),
  });
}

// The axis ends where the bins do: what is written there is a round number or nothing.
const decades = {
  formatter: (value) =>
    Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9
      ? text_of(value, "count")
      : "",
};

/** The draws of the work-years by size: a bar a bin, strokes at the quantiles. Logarithmic. */
function histogram(name, d) {
  const { bins: rows, below, above } = d.work_years_histogram ?? {};
  if (!rows?.length) return null;
  const outside = below + above;
  const has_decades = rows.at(-1).to / rows[0].from > 100;
  const strokes = ["p5", "p50", "p95"].map((level) => ({
    xAxis: d.work_years[level],
    label: { formatter: `${level}\n${text_of(d.work_years[level], "count")}` },
  }));
  return figure({
    title: `Distribution of the work-years: ${name}`,
    note:
      `Shares of ${text_of(d.samples, "count")} draws; strokes at the median and at the ends of ` +
      `the middle 90 %.${outside > 0 ? ` ${text_of(outside, "%")} lie outside the chart.` : ""}`,
    height: 320,
    data: {
      columns: [
        { key: "from", label: "from", kind: "count" },
        { key: "to", label: "to", kind: "count" },
        { key: "share", label: "share of the draws", kind: "%" },
      ],
      rows,
    },
    option: (colours) => ({
      grid: { top: 44, right: 28 },
      xAxis: axis(colours, {
        type: "log",
        name: "work-years",
        min: rows[0].from,
        max: rows.at(-1).to,
        axisLabel: { ...ticks("count"), ...(has_decades ? decades : {}) },
      }),
      yAxis: axis(colours, { type: "value", axisLabel: ticks("%"), name: "share", nameGap: 44 }),
      tooltip: {
        formatter: ({ dataIndex }) => {
          const { from, to, share } = rows[dataIndex];
          return tip(`${text_of(from, "count")} to ${text_of(to, "count")}`, [
            ["of the draws", text_of(share, "%")],
          ]);
        },
      },
      series: [
        {
          type: "custom",
          encode: { x: [0, 1], y: 2 },
          renderItem: bin(colours),
          data: rows.map(({ from, to, share }) => [from, to, share]),
          markLine: {
            silent: true,
            symbol: "none",
            lineStyle: { color: colours.ink, width: 1.5, type: "dashed" },
            label: { color: colours.ink, fontSize: 11, lineHeight: 14 },
            data: strokes,
          },
        },
      ],
    }),
  });
}

function bin(colours) {
  return (_, api) => {
    const [left, top] = api.coord([api.value(0), api.value(2)]);
    const [right, bottom] = api.coord([api.value(1), 0]);
    return {
      type: "rect",
      shape: { x: left, y: top, width: Math.max(right - left - 1, 1), height: bottom - top },
      style: { fill: colours.palette[0] },
    };
  };
}

function tornado(name, d) {
  const width = (row) => Math.abs(Math.log(row.work_years_at_p95 / row.work_years_at_p5));
  const rows = [...(d.sensitivity ?? [])]
    .filter((row) => row.work_years_at_p5 > 0 && row.work_years_at_p95 > 0)
    .sort((a, b) => width(b) - width(a));
  if (!rows.length) return null;
  return figure({
    title: `What moves the work: ${name}`,
    note: "Work-years when one input alone goes through its 90 %; the others stay at their medians.",
    height: 90 + 30 * rows.length,
    data: {
      columns: [
        { key: "input", label: "input" },
        { key: "work_years_at_p5", label: "at its p5", kind: "count" },
        { key: "work_years_at_p95", label: "at its p95", kind: "count" },
        { key: "elasticity_of_work", label: "elasticity", kind: "number" },
        { key: "variance_share", label: "share of the variance", kind: "%" },
      ],
      rows,
    },
    option: (colours, size) => ({
      legend: true,
      grid: { right: 24 },
      xAxis: axis(colours, { type: "log", name: "work-years", axisLabel: ticks("count") }),
      yAxis: axis(colours, {
        type: "category",
        inverse: true,
        data: rows.map(({ input }) => words(input)),
        axisLabel: { width: size.is_narrow ? 110 : 200, overflow: "truncate" },
      }),
      tooltip: {
        formatter: ({ dataIndex }) => {
          const row = rows[dataIndex];
          return tip(words(row.input), [
            ["work-years at its p5", text_of(row.work_years_at_p5, "count")],
            ["at its p95", text_of(row.work_years_at_p95, "count")],
            ["elasticity", text_of(row.elasticity_of_work, "number")],
          ]);
        },
      },
      series: [
        {
          type: "custom",
          name: "range",
          color: colours.line,
          encode: { x: [1, 2], y: 0 },
          renderItem: range(colours),
          data: rows.map((row, i) => [i, row.work_years_at_p5, row.work_years_at_p95]),
        },
        ...[
          ["at its p5", "work_years_at_p5", 1, "triangle"],
          ["at its p95", "work_years_at_p95", 0, "circle"],
        ].map(([label, key, colour, symbol]) => ({
          type: "scatter",
          name: label,
          symbol,
          symbolSize: 11,
          itemStyle: { color: colours.palette[colour] },
          data: rows.map((row, i) => [row[key], i]),
        })),
      ],
    }),
  });
}

function range(colours) {
  return (_, api) => {
    const from = api.coord([api.value(1), api.value(0)]);
    const to = api.coord([api.value(2), api.value(0)]);
    const x = Math.min(from[0], to[0]);
    return {
      type: "rect",
      shape: { x, y: from[1] - 5, width: Math.abs(to[0] - from[0]), height: 10 },
      style: { fill: colours.line },
    };
  };
}

function binding(name, d) {
  const rows = Object.entries(d.binding_fraction ?? {})
    .map(([part, value]) => ({ part: words(part), value }))
    .filter(({ value }) => value > 0);
  if (!rows.length) return null;
  return figure({
    title: `What limits the compute: ${name}`,
    height: 60 + 32 * rows.length,
    data: {
      columns: [
        { key: "part", label: "limit" },
        { key: "value", label: "share of the draws", kind: "%" },
      ],
      rows,
    },
    option: (colours) => ({
      grid: { right: 64 },
      xAxis: axis(colours, { type: "value", max: 1, axisLabel: ticks("%") }),
      yAxis: axis(colours, { type: "category", inverse: true, data: rows.map(({ part }) => part) }),
      tooltip: {
        formatter: ({ dataIndex }) =>
          tip(rows[dataIndex].part, [["of the draws", text_of(rows[dataIndex].value, "%")]]),
      },
      series: [
        {
          type: "bar",
          barMaxWidth: 20,
          label: {
            show: true,
            position: "right",
            color: colours.ink,
            formatter: ({ value }) => text_of(value, "%"),
          },
          data: rows.map(({ value }) => value),
        },
      ],
    }),
  });
}

function lists(name, d) {
  const inputs = Object.entries(d.inputs ?? {})
    .filter(([, input]) => input?.distribution)
    .map(([input, row]) => ({
      input: words(input),
      distribution: row.distribution,
      values: row.values?.map((value) => text_of(value, "number")).join(", "),
      levels: row.levels?.map((value) => text_of(value, "number")).join(", "),
      source: row.source,
    }));
  const text = (key, label = words(key)) => ({ key, label });
  const all = [
    [
      "What if",
      d.what_if,
      [
        text("name"),
        text("input"),
        { ...text("value"), kind: "number" },
        { ...text("work_years", "work-years"), kind: "count" },
        text("source"),
      ],
    ],
    [
      "Published",
      d.published,
      [text("quantity"), { ...text("centre"), kind: "number" }, text("note")],
    ],
    [
      "Inputs",
      inputs,
      ["input", "distribution", "values", "levels", "source"].map((key) => text(key)),
    ],
  ];
  return all
    .filter(([, list]) => list?.length)
    .map(([title, list, columns]) =>
      h(
        "details",
        { class: "more" },
        h("summary", {}, title),
        table(columns, list, `${title}: ${name}`),
      ),
    );
}

function one(result) {
  const { name, document: d } = result;
  const scenario = is_scenario(result);
  return h(
    "section",
    { class: "result" },
    h("h3", {}, `${name}: ${text_of(d.scenario)}${d.year ? `, ${d.year}` : ""}`),
    d.title ? h("p", {}, d.title) : null,
    d.reading ? h("p", { class: "reading" }, `${d.reading}.`) : null,
    scenario
      ? facts(quantities.map(([key, kind, title]) => [title, text_of(d[key]?.p50, kind)]))
      : measured(d),
    scenario
      ? h(
          "div",
          { class: "charts" },
          histogram(name, d),
          distributions(name, d),
          tornado(name, d),
          binding(name, d),
        )
      : null,
    lists(name, d),
    notes(d.notes),
  );
}

/** Numbers of a forecast from a measurement, as they stand in it. */
function measured(d) {
  const rows = [];
  const walk = (value, path) => {
    if (typeof value === "number") rows.push({ quantity: path.map(words).join(" · "), value });
    else if (value && typeof value === "object" && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
    }
  };
  for (const [key, value] of Object.entries(d)) {
    if (!["estimate", "forerun", "schema_version"].includes(key)) walk(value, [key]);
  }
  return table(
    [
      { key: "quantity", label: "quantity" },
      { key: "value", label: "value", kind: "number" },
    ],
    rows,
    "Numbers of the forecast",
  );
}

function fans(results) {
  const names = [...new Set(results.map(({ document: d }) => d.scenario))];
  return names
    .map((name) => [name, results.filter(({ document: d }) => d.scenario === name)])
    .filter(([, group]) => new Set(group.map(({ document: d }) => d.year)).size > 1)
    .flatMap(([scenario, group]) =>
      quantities
        .slice(0, 4)
        .filter(([key]) => group.every(({ document: d }) => d[key]?.p5 > 0))
        .map((quantity) => fan(group, scenario, quantity)),
    );
}

export function forecast_section(results) {
  const drawn = results.filter(is_scenario);
  const compared = [
    ["scenario", "text", (d) => d.scenario],
    ["year", "integer", (d) => d.year],
    ...quantities.map(([key, kind, title]) => [`${title}, median`, kind, (d) => d[key]?.p50]),
    ["binding", "text", (d) => d.binding_constraint],
  ];
  return [
    results.length > 1 ? comparison(results, compared, "Forecasts side by side") : null,
    h("div", { class: "charts" }, fans(drawn)),
    results.map(one),
  ];
}
