// The pipeline's schedule: who computes what when.
import { axis, figure } from "./chart.js";
import { h, tip } from "./dom.js";
import { text_of, ticks } from "./format.js";
import { echarts } from "./echarts.js";
import { records } from "./table.js";
import { ink_on } from "./theme.js";

const categories = [
  "forward",
  "backward",
  "backward input",
  "backward weight",
  "forward and backward",
  "message",
  "tail",
];

/** "stage 3 messages received" out of "stage 3" and "pipeline messages received". */
function stream_name(stage, stream) {
  return `${stage} ${stream.replace("pipeline messages", "messages")}`;
}

function rows_of(trace) {
  const names = new Map();
  for (const { name, pid, tid, args } of trace.names) {
    names.set(name === "process_name" ? `${pid}` : `${pid}/${tid}`, args.name);
  }
  return records(trace.slices).map((slice) => ({
    ...slice,
    row: stream_name(
      names.get(`${slice.process}`),
      names.get(`${slice.process}/${slice.thread}`) ?? "",
    ),
    start: slice.start_us * 1e-6,
    duration: slice.duration_us * 1e-6,
    end: (slice.start_us + slice.duration_us) * 1e-6,
  }));
}

function block(colours) {
  return (params, api) => {
    const start = api.coord([api.value(1), api.value(0)]);
    const end = api.coord([api.value(2), api.value(0)]);
    const height = api.size([0, 1])[1] * 0.8;
    const shape = echarts.graphic.clipRectByRect(
      { x: start[0], y: start[1] - height / 2, width: Math.max(end[0] - start[0], 0.5), height },
      params.coordSys,
    );
    if (!shape) return null;
    const wide = shape.width > 26 && height > 10;
    return {
      type: "rect",
      shape,
      style: {
        fill: api.visual("color"),
        stroke: colours.paper,
        // A rim would hide what is hardly wider than it.
        lineWidth: shape.width > 4 ? 0.5 : 0,
      },
      textContent: wide
        ? { style: { text: api.value(3), fill: ink_on(api.visual("color")), fontSize: 10 } }
        : undefined,
      textConfig: { position: "inside" },
    };
  };
}

function timeline({ name, document: trace }) {
  const all = rows_of(trace);
  const computing = all.filter(({ row }) => row.endsWith(" compute"));
  const names = [...new Set(all.map(({ row }) => row))];
  const rows = names.length > 40 ? [...new Set(computing.map(({ row }) => row))] : names;
  const slices = all.filter(({ row }) => rows.includes(row));
  const place = new Map(rows.map((row, i) => [row, i]));
  const used = categories.filter((one) => slices.some(({ category }) => category === one));
  const { total } = trace.slices;
  return figure({
    title: `Schedule of the pipeline: ${name}`,
    note:
      `Every stage's passes by micro-batch and chunk: F forward, B backward, I its input part, W ` +
      `its weight part. Drag the bar below to zoom, or press + and −, arrows and 0 here.` +
      (rows.length < names.length ? " Of so many stages only what they compute is drawn." : "") +
      (total > all.length ? ` The first ${all.length} of ${total} slices.` : ""),
    wide: true,
    zooms: true,
    height: Math.min(140 + 22 * rows.length, 800),
    marks: slices.length,
    data: {
      columns: [
        { key: "row", label: "stage and stream" },
        { key: "name", label: "what" },
        { key: "category", label: "kind" },
        { key: "start", label: "start", kind: "s" },
        { key: "duration", label: "duration", kind: "s" },
      ],
      rows: all,
    },
    option: (colours, size) => ({
      legend: true,
      grid: { bottom: 56 },
      xAxis: axis(colours, {
        type: "value",
        max: "dataMax",
        axisLabel: { ...ticks("s"), showMaxLabel: false },
      }),
      yAxis: axis(colours, {
        type: "category",
        inverse: true,
        data: rows,
        axisLabel: { width: size.is_narrow ? 70 : 220, overflow: "truncate", fontSize: 10 },
      }),
      dataZoom: [
        { type: "slider", bottom: 8, height: 22, labelFormatter: (value) => text_of(value, "s") },
        { type: "inside", zoomOnMouseWheel: "ctrl" },
      ],
      tooltip: {
        formatter: ({ value, seriesName }) =>
          tip(value[3], [
            ["kind", seriesName],
            ["where", rows[value[0]]],
            ["start", text_of(value[1], "s")],
            ["duration", text_of(value[2] - value[1], "s")],
          ]),
      },
      series: used.map((category) => ({
        type: "custom",
        name: category,
        encode: { x: [1, 2], y: 0 },
        renderItem: block(colours),
        itemStyle: { color: colours.palette[categories.indexOf(category)] },
        data: slices
          .filter((slice) => slice.category === category)
          .map(({ row, start, end, name: what }) => [place.get(row), start, end, what]),
      })),
    }),
  });
}

export function trace_section(results) {
  return h("div", { class: "charts" }, results.map(timeline));
}
