// From a step to a run: days, dollars, energy, failures.
import { figure } from "./chart.js";
import { facts, h } from "./dom.js";
import { text_of, words } from "./format.js";
import { parts_of, waterfall, with_share, part_columns } from "./marks.js";
import { table } from "./table.js";

// Key, kind, name.
const quantities = [
  ["days", "days", "time"],
  ["device_hours", "count", "device-hours"],
  ["cost_usd", "USD", "cost"],
  ["energy_kwh", "kWh", "energy"],
  ["co2_kg", "kg", "CO₂"],
  ["goodput", "%", "goodput"],
];

const drawn = [
  ["days", "days", "Where the run's days go"],
  ["cost_usd", "USD", "Where the run's dollars go"],
  ["energy_kwh", "kWh", "Where the run's kilowatt-hours go"],
];

/** What the run takes by part of the step, and what failures and checkpoints take of it. */
function by_part({ name, document: d }, [key, kind, title]) {
  const { run } = d;
  if (!run[key]) return null;
  const productive = run.goodput ?? 1;
  const rows = parts_of(d.breakdown_s).map(({ part, value }) => ({
    part: words(part),
    value: (value / d.step_time_s) * productive * run[key],
  }));
  if (run.goodput !== null && run.goodput < 1) {
    rows.push({ part: "failures, checkpoints", value: (1 - run.goodput) * run[key] });
  }
  const total = { part: "run", value: run[key] };
  if (run.low?.[key] && run.high?.[key]) total.band = [run.low[key], run.high[key]];
  return figure({
    title: `${title}: ${name}`,
    note: "In the shares that the step's parts have of its time.",
    height: 60 + 30 * (rows.length + 1),
    data: { columns: part_columns(kind), rows: with_share([...rows, total], run[key]) },
    option: waterfall(rows, total, kind),
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
  const rows = quantities.map(([key, kind, name]) => ({
    quantity: name,
    low: text_of(run.low?.[key], kind),
    expected: text_of(run[key], kind),
    high: text_of(run.high?.[key], kind),
  }));
  const columns = [
    { key: "quantity", label: "quantity" },
    ...["low", "expected", "high"].map((key) => ({ key, label: key, kind: "mixed" })),
  ];
  return [
    ...drawn.map((quantity) => by_part(result, quantity)),
    h(
      "div",
      { class: "wide" },
      h("h4", {}, `The run of ${text_of(run.steps, "count")} steps`),
      table(columns, rows, `Run of ${result.name}`),
      failures(run),
    ),
  ].filter(Boolean);
}
