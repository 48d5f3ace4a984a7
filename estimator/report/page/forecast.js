// Forecasts: quantities by year, what they hang on, what binds.
import { facts, h, notes } from "./dom.js";
import { binding, tornado } from "./forecast_causes.js";
import { quantities } from "./forecast_quantities.js";
import { distributions, fans, histogram } from "./forecast_spread.js";
import { text_of, words } from "./format.js";
import { comparison, table } from "./table.js";

const is_scenario = ({ document: d }) => d.work_years?.p50 !== undefined;

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
