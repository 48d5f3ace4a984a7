// Profiles: what a cluster's kernels and collectives were measured to cost.
import { facts, h, notes } from "./dom.js";
import { text_of, words } from "./format.js";
import { key_fields } from "./keys.js";
import {
  bus_bandwidths,
  collective_columns,
  fit_table,
  overlap_grid,
} from "./profile_collectives.js";
import { attention_rates, best, gemm_rates, kernel_columns, roofline } from "./profile_kernels.js";
import { profiles_together } from "./profile_together.js";
import { comparison, records, table } from "./table.js";
import { topology_charts } from "./topology.js";

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

function with_fields(list) {
  return records(list).map((row) => ({
    ...row,
    ...key_fields(row.key),
    flags_text: (row.flags ?? []).join(", "),
    intensity: row.bytes > 0 ? row.flop / row.bytes : null,
  }));
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

function measured({ name, document: d }) {
  return { name, kernels: with_fields(d.kernels), collectives: with_fields(d.collectives) };
}

export function profile_section(results) {
  return [
    results.length > 1
      ? [
          comparison(results, compared, "Profiles side by side"),
          h("div", { class: "charts" }, profiles_together(results.map(measured))),
        ]
      : null,
    results.map(one),
  ];
}
