// Colours of charts and page: dark, light, or as the system has it; on paper always light.

// Okabe and Ito's hues, moved until any two are told apart with each of the colour deficiencies, by
// lightness alone too.
const palette_on_light = [
  "#006cad",
  "#f3b026",
  "#37ae5f",
  "#db5b96",
  "#3cb3ff",
  "#e23500",
  "#211900",
  "#585858",
];
const palette_on_dark = [
  "#6f90cb",
  "#e8910a",
  "#50d18b",
  "#ffb9ff",
  "#feffff",
  "#ac4800",
  "#fdea00",
  "#7b7b7b",
];
// Viridis, thinned out: even to the eye and in grey.
export const sequential = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"];

const light = {
  palette: palette_on_light,
  ink: "#1b1f24",
  muted: "#5a636e",
  line: "#c9d0d8",
  paper: "#ffffff",
  alarm: "#b3261e",
};
const dark = {
  palette: palette_on_dark,
  ink: "#e6e9ee",
  muted: "#9aa5b1",
  line: "#3b444e",
  paper: "#161b22",
  alarm: "#ff8a80",
};

/** Black or white, whichever is read better on "#rrggbb" (relative luminance of WCAG 2.1). */
export function ink_on(colour) {
  const [r, g, b] = [1, 3, 5].map((place) => {
    const share = Number.parseInt(colour.slice(place, place + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  // At 0.179 both have the same contrast.
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}

const system = window.matchMedia("(prefers-color-scheme: dark)");
const paper = window.matchMedia("print");
let choice = "auto";
let is_printing = false;
const listeners = [];

export function is_on_paper() {
  return is_printing || paper.matches;
}

export function is_dark() {
  if (is_on_paper()) return false;
  return choice === "dark" || (choice === "auto" && system.matches);
}

export function theme() {
  return is_dark() ? dark : light;
}

function apply() {
  document.documentElement.dataset.theme = is_dark() ? "dark" : "light";
  for (const listener of listeners) listener();
}

export function on_theme(listener) {
  listeners.push(listener);
}

export function set_theme(name) {
  choice = name;
  apply();
}

/** What is folded is read on paper too, unless it would fill sheets. */
const most_unfolded = 100;
let unfolded = [];

function unfold() {
  unfolded = [
    ...document.querySelectorAll("details.notes:not([open]), details.more:not([open])"),
  ].filter((one) => one.querySelectorAll("li, tbody tr").length <= most_unfolded);
  for (const one of unfolded) one.open = true;
}

function fold() {
  for (const one of unfolded) one.open = false;
}

export function start_theme() {
  system.addEventListener("change", apply);
  paper.addEventListener("change", apply);
  const printing = (state) => () => {
    is_printing = state;
    document.documentElement.classList.toggle("printing", state);
    (state ? unfold : fold)();
    apply();
  };
  window.addEventListener("beforeprint", printing(true));
  window.addEventListener("afterprint", printing(false));
  apply();
}
