// Rehearsals: predicted against measured.
import { axis, figure } from "./chart.js";
import { facts, h, tip } from "./dom.js";
import { text_of, ticks, words } from "./format.js";
import { comparison, table } from "./table.js";

const compared = [
  ["runs", "integer", (d) => d.runs.length],
  ["mean error", "%", (d) => d.mape],
  ["bias", "+%", (d) => d.bias],
  ["Spearman", "number", (d) => d.spearman],
];

const bar_width = 14;
// From the middle of a pair to the middle of its second bar.
const bar_offset = 0.55 * bar_width;

const title_of = (run) => `${run.model} ${run.layout}`;

function pair_chart(title, note, rows, dots) {
  return figure({
    title,
    note,
    height: 90 + 44 * rows.length,
    data: {
      columns: [
        { key: "name", label: "" },
        { key: "predicted", label: "predicted", kind: "s" },
        { key: "measured", label: "measured", kind: "s" },
        { key: "error", label: "error", kind: "+%" },
      ],
      rows,
    },
    option: (colours, size) => ({
      legend: true,
      grid: { right: 28 },
      xAxis: axis(colours, { type: "value", axisLabel: ticks("s"), splitNumber: 4 }),
      yAxis: axis(colours, {
        type: "category",
        inverse: true,
        data: rows.map(({ name }) => name),
        axisLabel: { width: size.is_narrow ? 90 : 170, overflow: "truncate" },
      }),
      tooltip: {
        formatter: ({ seriesName, dataIndex, value }) => {
          if (seriesName === "repeats") {
            return tip(rows[value[1]].name, [["one step", text_of(value[0], "s")]]);
          }
          const row = rows[dataIndex];
          return tip(row.name, [
            ["predicted", text_of(row.predicted, "s")],
            ["measured", text_of(row.measured, "s")],
            ["error", text_of(row.error, "+%")],
          ]);
        },
      },
      series: [
        ...["predicted", "measured"].map((key, i) => ({
          type: "bar",
          name: key,
          barMaxWidth: bar_width,
          barGap: "10%",
          itemStyle: { color: colours.palette[i] },
          data: rows.map((row) => row[key]),
        })),
        ...(dots.length
          ? [
              {
                type: "scatter",
                name: "repeats",
                symbolSize: 6,
                symbolOffset: [0, bar_offset],
                color: colours.ink,
                data: dots,
              },
            ]
          : []),
      ],
    }),
  });
}

function steps({ name, document: d }) {
  const rows = d.runs.map((run) => ({
    name: title_of(run),
    predicted: run.predicted_s,
    measured: run.measured_s,
    error: run.error,
  }));
  const dots = d.runs.flatMap((run, i) => (run.steps_s ?? []).map((time) => [time, i]));
  return pair_chart(`Steps: ${name}`, "Dots: the repeats that were timed.", rows, dots);
}

function parts(run) {
  if (!run.parts) return null;
  const rows = Object.entries(run.parts)
    .map(([part, times]) => ({
      name: words(part),
      predicted: times.predicted_s,
      measured: times.measured_s,
      error: times.measured_s > 0 ? times.predicted_s / times.measured_s - 1 : null,
    }))
    .filter(({ predicted, measured }) => predicted || measured);
  return pair_chart(`Parts of the step: ${title_of(run)}`, null, rows, []);
}

function one(result) {
  const { name, document: d } = result;
  const rows = d.runs.map((run) => ({
    ...run,
    run: title_of(run),
    memory_predicted: run.memory?.predicted_bytes,
    memory_measured: run.memory?.measured_bytes,
    equal: run.equality?.equal ?? run.equality?.note,
    gradient: run.equality?.worst_gradient_error,
  }));
  const columns = [
    { key: "run", label: "run" },
    { key: "batch", label: "batch", kind: "integer" },
    { key: "seq", label: "tokens", kind: "integer" },
    { key: "precision", label: "precision" },
    { key: "predicted_s", label: "predicted", kind: "s" },
    { key: "measured_s", label: "measured", kind: "s" },
    { key: "error", label: "error", kind: "+%" },
    { key: "memory_predicted", label: "memory predicted", kind: "B" },
    { key: "memory_measured", label: "measured", kind: "B" },
    { key: "equal", label: "equals the one-rank step" },
    { key: "gradient", label: "worst gradient error", kind: "number" },
  ];
  return h(
    "section",
    { class: "result" },
    h("h3", {}, name),
    facts(compared.map(([label, kind, value]) => [label, text_of(value(d), kind)])),
    h("div", { class: "charts" }, steps(result), d.runs.slice(0, 12).map(parts)),
    table(columns, rows, `Runs of ${name}`),
  );
}

export function rehearse_section(results) {
  return [
    results.length > 1 ? comparison(results, compared, "Rehearsals side by side") : null,
    results.map(one),
  ];
}
