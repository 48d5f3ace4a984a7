// From a step to a run: days, dollars, energy, failures.
import { figure } from "./chart.js";
import { facts, h } from "./dom.js";
import { text_of, words } from "./format.js";
import { parts_of, waterfall, with_share, part_columns } from "./marks.js";
import { table } from "./table.js";

const quantities = [
  ["days", "days"],
  ["device_hours", "count"],
  ["cost_usd", "USD"],
  ["energy_kwh", "kWh"],
  ["co2_kg", "count"],
  ["goodput", "%"],
];

/** The run's days by part of the step, and what failures and checkpoints take of them. */
function calendar({ name, document: d }) {
  const { run } = d;
  const productive = run.goodput ?? 1;
  const rows = parts_of(d.breakdown_s).map(({ part, value }) => ({
    part: words(part),
    value: (value / d.step_time_s) * productive * run.days,
  }));
  if (run.goodput !== null && run.goodput < 1) {
    rows.push({ part: "failures, checkpoints", value: (1 - run.goodput) * run.days });
  }
  const total = { part: "run", value: run.days };
  if (run.low?.days && run.high?.days) total.band = [run.low.days, run.high.days];
  const per_day = (amount) => (amount ? amount / run.days : null);
  const columns = [
    ...part_columns("days"),
    { key: "cost", label: "cost", kind: "USD" },
    { key: "energy", label: "energy", kind: "kWh" },
  ];
  const priced = with_share([...rows, total], run.days).map((row) => ({
    ...row,
    cost: run.cost_usd && row.value * per_day(run.cost_usd),
    energy: run.energy_kwh && row.value * per_day(run.energy_kwh),
  }));
  return figure({
    title: `Where the run's days go: ${name}`,
    note: "Days, dollars and energy in the shares that the step's parts have of its time.",
    height: 60 + 30 * (rows.length + 1),
    data: { columns, rows: priced },
    option: waterfall(rows, total, "days"),
  });
}

function failures({ failures: f }) {
  if (!f) return null;
  return facts([
    ["a failure every", text_of(f.mtbf_s, "s")],
    ["failures expected", text_of(f.expected_failures, "count")],
    ["a restart takes", text_of(f.restart_s, "s")],
    ["a checkpoint", text_of(f.checkpoint_bytes, "B")],
    ["stalls the step for", text_of(f.checkpoint_stall_s, "s")],
    ["is written every", text_of(f.checkpoint_interval_s, "s")],
    ["Young's interval", text_of(f.checkpoint_interval_young_s, "s")],
  ]);
}

export function run_charts(result) {
  const { run } = result.document;
  if (!run) return [];
  const rows = quantities.map(([key, kind]) => ({
    quantity: words(key),
    low: text_of(run.low?.[key], kind),
    expected: text_of(run[key], kind),
    high: text_of(run.high?.[key], kind),
  }));
  const columns = [
    { key: "quantity", label: "quantity" },
    ...["low", "expected", "high"].map((key) => ({ key, label: key, kind: "mixed" })),
  ];
  return [
    calendar(result),
    h(
      "div",
      { class: "wide" },
      h("h4", {}, `The run of ${text_of(run.steps, "count")} steps`),
      table(columns, rows, `Run of ${result.name}`),
      failures(run),
    ),
  ].filter(Boolean);
}
