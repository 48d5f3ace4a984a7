// Estimates: step, memory, prices, run.
import { figure } from "./chart.js";
import { facts, h, notes } from "./dom.js";
import { layout_text, text_of, words } from "./format.js";
import {
  merged_parts,
  part_columns,
  parts_of,
  parts_table,
  stacked,
  waterfall,
  with_share,
} from "./marks.js";
import { run_charts } from "./run.js";
import { comparison } from "./table.js";

const compared = [
  ["model", "text", (d) => d.inputs.model.name],
  ["cluster", "text", (d) => `${d.inputs.cluster.devices} × ${d.inputs.cluster.device}`],
  ["layout", "text", (d) => layout_text(d.inputs.layout)],
  ["step time", "s", (d) => d.step_time_s],
  ["90 % band", "s", (d) => d.error_band_s],
  ["MFU", "%", (d) => d.mfu],
  ["rate of a device", "TFLOP", (d) => d.tflops_per_device],
  ["tokens", "tokens/s", (d) => d.tokens_per_s],
  ["memory at its peak", "B", (d) => d.memory_peak_bytes],
  ["fits", "text", (d) => d.feasible],
  ["bubble", "%", (d) => d.bubble_fraction],
  ["run", "days", (d) => d.run?.days],
  ["cost", "USD", (d) => d.run?.cost_usd],
  ["energy", "kWh", (d) => d.run?.energy_kwh],
  ["written by", "text", (d) => d.forerun?.revision],
];

function step_charts({ name, document: d }) {
  const rows = parts_of(d.breakdown_s).map(({ part, value }) => ({ part: words(part), value }));
  const total = { part: "step", value: d.step_time_s, band: d.error_band_s };
  return figure({
    title: `Where the step's time goes: ${name}`,
    note: `The parts sum to ${text_of(d.step_time_s, "s")}; the whiskers are the 90 % band.`,
    height: 60 + 30 * (rows.length + 1),
    marks: rows.length,
    data: { columns: part_columns("s"), rows: with_share([...rows, total], d.step_time_s) },
    option: waterfall(rows, total, "s"),
  });
}

function memory_chart({ name, document: d }) {
  const capacity = d.inputs.cluster.memory_per_device_bytes;
  const stages = d.memory_kinds_bytes_by_stage ?? [d.memory_bytes];
  const names = stages.map((_, i) =>
    d.memory_kinds_bytes_by_stage ? `stage ${i}` : `stage ${d.memory_peak_stage}`,
  );
  const parts = merged_parts(stages, words);
  return figure({
    title: `Memory of a device by kind: ${name}`,
    note: d.feasible ? null : d.infeasible_reason,
    height: 110 + Math.min(22 * stages.length, 700),
    marks: parts.length * names.length,
    data: parts_table(names, parts, "B"),
    option: stacked(names, parts, "B", {
      value: capacity,
      text: `capacity ${text_of(capacity, "B")}`,
    }),
  });
}

function shared_chart(results, title, key, kind) {
  const names = results.map(({ name }) => name);
  const parts = merged_parts(
    results.map(({ document: d }) => d[key]),
    words,
  );
  return figure({
    title,
    height: 100 + 40 * names.length,
    data: parts_table(names, parts, kind),
    option: stacked(names, parts, kind),
  });
}

function one(result) {
  const { name, document: d } = result;
  const { recipe, model, cluster } = d.inputs;
  return h(
    "section",
    { class: "result" },
    h("h3", {}, name),
    h(
      "p",
      {},
      `${model.name} (${text_of(model.parameters, "count")} parameters) on ${cluster.devices} × ` +
        `${cluster.device} (${cluster.name}), ${layout_text(d.inputs.layout)}; batch ` +
        `${recipe.batch} × ${recipe.seq} tokens, micro-batch ${recipe.micro_batch}, ` +
        `${recipe.precision}, ${recipe.schedule}, recompute ${recipe.recompute}, zero ` +
        `${recipe.zero}, ${recipe.software}.`,
    ),
    d.feasible ? null : h("p", { class: "alarm" }, `Does not fit: ${d.infeasible_reason}.`),
    facts([
      ["step", text_of(d.step_time_s, "s")],
      ["90 % band", text_of(d.error_band_s, "s")],
      ["MFU", text_of(d.mfu, "%")],
      ["HFU", text_of(d.hfu, "%")],
      ["of a device", text_of(d.tflops_per_device, "TFLOP")],
      ["tokens", text_of(d.tokens_per_s, "tokens/s")],
      ["memory", text_of(d.memory_peak_bytes, "B")],
      ["bubble", text_of(d.bubble_fraction, "%")],
    ]),
    h("div", { class: "charts" }, step_charts(result), memory_chart(result), run_charts(result)),
    notes(d.notes),
  );
}

export function estimate_section(results) {
  const several = results.length > 1;
  return [
    several ? comparison(results, compared, "Estimates side by side") : null,
    h(
      "div",
      { class: "charts" },
      several ? shared_chart(results, "Steps side by side", "breakdown_s", "s") : null,
      several ? shared_chart(results, "Memory side by side", "memory_bytes", "B") : null,
      shared_chart(results, "What the prices rest on", "provenance", "%"),
    ),
    results.map(one),
  ];
}
