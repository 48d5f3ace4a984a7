// Puts a section for every kind of result that was given onto the page.
import { capacity_section } from "./capacity.js";
import { draw_all } from "./chart.js";
import { h } from "./dom.js";
import { estimate_section } from "./estimate.js";
import { forecast_section } from "./forecast.js";
import { plan_section } from "./plan.js";
import { profile_section } from "./profile.js";
import { rehearse_section } from "./rehearse.js";
import { set_theme, start_theme } from "./theme.js";
import { trace_section } from "./trace.js";
import { validate_section } from "./validate.js";

const sections = [
  ["estimate", "Estimate", estimate_section],
  ["trace", "Schedule", trace_section],
  ["plan", "Plan", plan_section],
  ["profile", "Profile", profile_section],
  ["rehearsal", "Rehearsal", rehearse_section],
  ["validation", "Validation", validate_section],
  ["capacity", "Capacity", capacity_section],
  ["forecast", "Forecast", forecast_section],
];

function theme_choice() {
  const select = h(
    "select",
    { onchange: () => set_theme(select.value) },
    ["auto", "light", "dark"].map((name) => h("option", { value: name }, name)),
  );
  return h("label", { class: "theme" }, "Colours ", select);
}

function page(data) {
  const main = document.getElementById("main");
  const links = [];
  for (const [kind, title, build] of sections) {
    const results = data.results.filter((result) => result.kind === kind);
    if (results.length) {
      main.append(h("section", { id: kind, class: "kind" }, h("h2", {}, title), build(results)));
      links.push(h("a", { href: `#${kind}` }, title));
    }
  }
  const { version, revision, build } = data.forerun;
  document
    .querySelector("header")
    .append(
      h("h1", {}, "forerun report"),
      h("nav", { "aria-label": "Sections" }, links),
      theme_choice(),
      h("p", { class: "build" }, `forerun ${version} (${revision}, ${build})`),
    );
  document.title = `forerun: ${data.results.map(({ name }) => name).join(", ")}`;
}

// Signs that turn the direction of the text after them would write names backwards.
const turning = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

start_theme();
page(JSON.parse(document.getElementById("results").textContent.replace(turning, "\ufffd")));
draw_all();
document.documentElement.dataset.ready = "yes";
