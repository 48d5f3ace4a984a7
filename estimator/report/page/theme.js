// Colours of charts and page: dark, light, or as the system has it; on paper always light.

// Okabe and Ito's palette, told apart by people with any of the common colour deficiencies.
const okabe_ito = [
  "#0072b2",
  "#e69f00",
  "#009e73",
  "#cc79a7",
  "#56b4e9",
  "#d55e00",
  "#9a8700",
  "#7a7a7a",
];
const okabe_ito_dark = [
  "#56b4e9",
  "#e69f00",
  "#2bc296",
  "#e79cc4",
  "#3d8fd1",
  "#f0803c",
  "#f0e442",
  "#a0a0a0",
];
// Viridis, thinned out: even to the eye and in grey.
export const sequential = ["#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"];

const light = {
  palette: okabe_ito,
  ink: "#1b1f24",
  muted: "#5a636e",
  line: "#c9d0d8",
  paper: "#ffffff",
  alarm: "#b3261e",
};
const dark = {
  palette: okabe_ito_dark,
  ink: "#e6e9ee",
  muted: "#9aa5b1",
  line: "#3b444e",
  paper: "#161b22",
  alarm: "#ff8a80",
};

const system = window.matchMedia("(prefers-color-scheme: dark)");
const paper = window.matchMedia("print");
let choice = "auto";
let is_printing = false;
const listeners = [];

export function is_dark() {
  if (is_printing || paper.matches) return false;
  return choice === "dark" || (choice === "auto" && system.matches);
}

export function theme() {
  return is_dark() ? dark : light;
}

function apply() {
  document.documentElement.dataset.theme = is_dark() ? "dark" : "light";
  listeners.forEach((listener) => listener());
}

export function on_theme(listener) {
  listeners.push(listener);
}

export function set_theme(name) {
  choice = name;
  apply();
}

export function start_theme() {
  system.addEventListener("change", apply);
  paper.addEventListener("change", apply);
  const printing = (state) => () => {
    is_printing = state;
    document.documentElement.classList.toggle("printing", state);
    apply();
  };
  window.addEventListener("beforeprint", printing(true));
  window.addEventListener("afterprint", printing(false));
  apply();
}
