// Collectives of a profile: their rates, the laws fitted to them, what computes beside them.
import { axis, figure } from "./chart.js";
import { curves } from "./curves.js";
import { h, tip } from "./dom.js";
import { text_of, words } from "./format.js";
import { table } from "./table.js";
import { sequential } from "./theme.js";

export const collective_columns = [
  { key: "key", label: "collective" },
  { key: "median_s", label: "alone, median", kind: "s" },
  { key: "low_s", label: "95 % from", kind: "s" },
  { key: "high_s", label: "to", kind: "s" },
  { key: "samples", label: "samples", kind: "integer" },
  { key: "algbw_bytes_per_s", label: "back to back, size over time", kind: "B/s" },
  { key: "busbw_bytes_per_s", label: "bus bandwidth", kind: "B/s" },
  { key: "flags_text", label: "flags" },
];

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

export function fit_table({ name, document: d }) {
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

export function bus_bandwidths({ name, document: d }, collectives) {
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

export function overlap_grid({ name, document: d }) {
  if (!d.overlap?.length) return null;
  const rows = d.overlap.map((point) => ({
    ...point,
    beside: `${words(point.collective)} ${text_of(point.bytes, "B")}`,
  }));
  const kinds = [...new Set(rows.map(({ compute }) => compute))];
  const beside = [...new Set(rows.map((row) => row.beside))];
  const timed = rows.filter(({ compute_slowdown }) => compute_slowdown > 0);
  const values = timed.map(({ compute_slowdown }) => compute_slowdown);
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
          const row = timed[dataIndex];
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
          data: timed.map((row) => [row.compute, row.beside, row.compute_slowdown]),
        },
      ],
    }),
  });
}
