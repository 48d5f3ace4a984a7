// What a forecast hangs on: its inputs one by one, and the limits that bind.
import { axis, figure } from "./chart.js";
import { tip } from "./dom.js";
import { text_of, ticks, words } from "./format.js";
import { bars } from "./marks.js";

export function tornado(name, d) {
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

export function binding(name, d) {
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
    option: bars(rows, "%", { what: "of the draws", x: { type: "value", max: 1 } }),
  });
}
