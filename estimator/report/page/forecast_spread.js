// The draws of a forecast: by year, by quantity, and by size.
import { axis, figure } from "./chart.js";
import { tip } from "./dom.js";
import { levels, quantile_columns, quantile_lines, quantities } from "./forecast_quantities.js";
import { text_of, ticks } from "./format.js";

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

export function fans(results) {
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

export function distributions(name, d) {
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
export function histogram(name, d) {
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
