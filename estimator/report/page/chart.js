// A chart with its title, its data as a table, and a button that saves it.
import { h } from "./dom.js";
import { echarts } from "./echarts.js";
import { is_on_paper, on_theme, theme } from "./theme.js";
import { table } from "./table.js";
import { zoomed_by_keys } from "./zoom.js";

// Beyond so many marks SVG becomes slow and a canvas is drawn; not on paper, where browsers keep the
// last strokes only of a canvas that took many.
const most_svg_marks = 2500;
const charts = [];

function base(colours) {
  return {
    animation: false,
    color: colours.palette,
    backgroundColor: "transparent",
    textStyle: { fontFamily: "system-ui, sans-serif", color: colours.ink },
    aria: { enabled: true },
    tooltip: {
      confine: true,
      backgroundColor: colours.paper,
      borderColor: colours.line,
      textStyle: { color: colours.ink, fontSize: 13 },
    },
    grid: { left: 8, right: 20, top: 12, bottom: 8, outerBoundsMode: "same" },
  };
}

// Height of a line of the legend, width of a sign and of what stands before a name.
const legend_line = 22.5;
const legend_sign = 6.6;
const legend_mark = 36;

/** A legend that wraps, and the height that its lines need. */
function legend(colours, names, width) {
  let lines = 1;
  let filled = 0;
  for (const name of names) {
    const needed = legend_mark + legend_sign * name.length;
    if (filled > 0 && filled + needed > width) {
      lines += 1;
      filled = 0;
    }
    filled += needed;
  }
  const option = {
    type: "plain",
    data: names,
    top: 0,
    left: 0,
    right: 0,
    itemGap: 12,
    textStyle: { color: colours.ink, fontSize: 12 },
    itemWidth: 16,
    itemHeight: 10,
  };
  return { option, height: lines * legend_line + 10 };
}

/** An axis in the colours of the page. `kind` formats its ticks. */
export function axis(colours, options) {
  const { axisLabel, ...rest } = options;
  return {
    nameLocation: "middle",
    nameTextStyle: { color: colours.muted, fontSize: 12 },
    axisLine: { lineStyle: { color: colours.line } },
    axisTick: { lineStyle: { color: colours.line } },
    splitLine: { lineStyle: { color: colours.line, opacity: 0.5 } },
    axisLabel: { color: colours.ink, hideOverlap: true, fontSize: 11, ...axisLabel },
    nameGap: 28,
    ...rest,
  };
}

function file_name(title) {
  return title.toLowerCase().replace(/[^a-z0-9]+/g, "-") || "chart";
}

function save(link, name) {
  const anchor = h("a", { href: link, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}

// Saved SVGs have no background, whatever they are asked for: text for light paper is not seen on
// dark. The first rectangle of the drawing is as large as the whole.
function on_paper(link, paper) {
  const head = link.indexOf(",") + 1;
  const drawing = decodeURIComponent(link.slice(head));
  const filled = drawing.replace(/(<rect [^>]*)fill="none"/, `$1fill="${paper}"`);
  return link.slice(0, head) + encodeURIComponent(filled);
}

class Chart {
  constructor(spec) {
    this.spec = spec;
    this.has_many_marks = (spec.marks ?? 0) > most_svg_marks;
    this.box = h("div", { class: "chart", role: "img", "aria-label": spec.title });
    this.box.style.height = `${spec.height ?? 320}px`;
    if (spec.zooms) zoomed_by_keys(this.box, () => this.chart);
    this.element = h(
      "figure",
      { class: spec.wide ? "wide" : null },
      h(
        "figcaption",
        {},
        h("span", { class: "title" }, spec.title),
        h(
          "button",
          { type: "button", class: "save", onclick: () => this.save() },
          this.has_many_marks ? "Save PNG" : "Save SVG",
        ),
      ),
      spec.note ? h("p", { class: "note" }, spec.note) : null,
      this.box,
      this.data_table(),
    );
  }

  data_table() {
    const { columns, rows } = this.spec.data;
    const details = h("details", { class: "data" }, h("summary", {}, "Data as a table"));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) {
        details.append(table(columns, rows, this.spec.title));
      }
    });
    return details;
  }

  draw() {
    const colours = theme();
    this.chart?.dispose();
    const renderer = this.has_many_marks && !is_on_paper() ? "canvas" : "svg";
    this.chart = echarts.init(this.box, null, { renderer });
    const size = { width: this.box.clientWidth, is_narrow: this.box.clientWidth < 480 };
    const { legend: wants_legend, ...option } = this.spec.option(colours, size);
    const whole = { ...base(colours), ...option };
    whole.tooltip = { ...base(colours).tooltip, ...option.tooltip };
    whole.grid = { ...base(colours).grid, ...option.grid };
    // All at once: paper and pictures do not wait for what is drawn a piece at a time.
    whole.series = [option.series].flat().map((one) => ({ progressive: 0, ...one }));
    this.box.style.height = `${this.spec.height ?? 320}px`;
    if (wants_legend) {
      const names = [option.series].flat().flatMap(({ name }) => name ?? []);
      const made = legend(colours, [...new Set(names)], size.width);
      whole.legend = made.option;
      whole.grid.top += made.height - 8;
      this.box.style.height = `${(this.spec.height ?? 320) + made.height - 30}px`;
      this.chart.resize();
    }
    this.chart.setOption(whole);
    this.box.forerunChart = this.chart;
    this.width = this.box.clientWidth;
  }

  save() {
    const paper = theme().paper;
    const extension = this.has_many_marks ? "png" : "svg";
    const link = this.chart.getDataURL({
      type: extension,
      pixelRatio: 2,
      backgroundColor: paper,
    });
    const name = `${file_name(this.spec.title)}.${extension}`;
    save(extension === "svg" ? on_paper(link, paper) : link, name);
  }
}

/**
 * `spec`: title, note, height, wide, zooms (has a dataZoom that keys move), marks (how many are drawn),
 * data { columns, rows }, and option(colours, size), an ECharts option; its `legend: true` asks for the
 * page's own.
 */
export function figure(spec) {
  const chart = new Chart(spec);
  charts.push(chart);
  return chart.element;
}

export function draw_all() {
  const draw = () => {
    for (const chart of charts) chart.draw();
  };
  draw();
  on_theme(draw);
  const watcher = new ResizeObserver(() => {
    for (const chart of charts) {
      if (chart.box.clientWidth !== chart.width) chart.draw();
    }
  });
  for (const chart of charts) watcher.observe(chart.box);
}
