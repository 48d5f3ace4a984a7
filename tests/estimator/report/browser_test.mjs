// The report in a real browser: every chart draws, tooltips say what the JSON says, tables sort and
// filter, nothing is loaded, nothing complains, nothing is cut on paper or on a telephone.
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";

import { open_page } from "./browser.mjs";
import { least_difference } from "./colours.mjs";
import {
  evil_name,
  make_results,
  many_layouts,
  run,
  slower_profile,
  turning_name,
} from "./results.mjs";

const folder = mkdtempSync(join(tmpdir(), "forerun-report-"));
const report = join(folder, "report.html");
const published = existsSync(
  join(process.env.FORERUN_REFERENCE_DATA ?? "", "published/training_runs.csv"),
);
const document_of = (path) => JSON.parse(readFileSync(path, "utf8"));
let results;
let opened;

before(async () => {
  results = make_results(folder, writeFileSync);
  run("report", ...Object.values(results), "--out", report, "--quiet");
  opened = await open_page(report);
});

after(async () => {
  await opened?.close();
  rmSync(folder, { recursive: true, force: true });
});

const figure_of = (title) => opened.page.locator("figure", { hasText: title }).first();

/** Brings the chart into view and the mouse onto a place of its data; what the tooltip says. */
async function tip_at(title, series, place, up = 0) {
  const box = figure_of(title).locator(".chart");
  await box.scrollIntoViewIfNeeded();
  const [x, y] = await box.evaluate(
    (element, [index, point]) => element.forerunChart.convertToPixel({ seriesIndex: index }, point),
    [series, place],
  );
  await box.hover({ position: { x: x - 3, y: y - up }, force: true });
  await box.hover({ position: { x, y: y - up }, force: true });
  const tip = box.locator(".tip");
  await tip.waitFor();
  return tip.innerText();
}

test("the page is one small file", () => {
  assert.ok(statSync(report).size < 4e6);
});

test("every kind of result has its section", async () => {
  const kinds = await opened.page.$$eval("section.kind", (all) => all.map(({ id }) => id));
  const wanted = ["estimate", "trace", "plan", "profile", "rehearsal", "capacity", "forecast"];
  for (const kind of wanted) assert.ok(kinds.includes(kind), kind);
});

test("every chart has drawn", async () => {
  const empty = await opened.page.$$eval("figure", (figures) =>
    figures
      .filter((figure) => {
        const marks = figure.querySelectorAll(".chart svg path, .chart svg rect").length;
        const canvas = figure.querySelector(".chart canvas");
        const pixels = canvas
          ?.getContext("2d")
          .getImageData(0, 0, canvas.width, canvas.height)
          .data.some((value) => value > 0);
        return marks < 3 && !pixels;
      })
      .map((figure) => figure.querySelector(".title").textContent),
  );
  assert.deepEqual(empty, []);
  assert.ok((await opened.page.locator("figure").count()) > 15);
});

test("no number is missing or has seventeen digits", async () => {
  const text = await opened.page.locator("body").innerText();
  const labels = await opened.page.$$eval(".chart text", (all) =>
    all.map(({ textContent }) => textContent).join("\n"),
  );
  for (const words of [text, labels]) {
    assert.doesNotMatch(words, /NaN|undefined|Infinity|\[object/);
    assert.doesNotMatch(words, /\d\.\d{7,}/);
    // 1,024 of a unit are one of the next; a unit stands apart.
    assert.doesNotMatch(words, /\b1,02\d [KMG]?i?B/);
    assert.doesNotMatch(words, /\d(FLOP|B)\/s/);
  }
});

test("no axis says the same twice", async () => {
  const twice = await opened.page.$$eval("figure", (figures) =>
    figures.flatMap((figure) => {
      const model = figure.querySelector(".chart").forerunChart.getModel();
      const found = [];
      for (const kind of ["xAxis", "yAxis", "parallelAxis"]) {
        model.eachComponent(kind, ({ axis }) => {
          const labels =
            axis
              ?.getViewLabels()
              .map(({ formattedLabel }) => formattedLabel)
              .filter(Boolean) ?? [];
          if (new Set(labels).size < labels.length) {
            found.push(`${figure.querySelector(".title").textContent}: ${labels.join(", ")}`);
          }
        });
      }
      return found;
    }),
  );
  assert.deepEqual(twice, []);
});

test("the breakdown's tooltip says what the JSON says", async () => {
  const { breakdown_s: parts } = document_of(results.estimate);
  const said = await tip_at("Where the step's time goes: estimate.json", 1, [
    parts.compute / 2,
    "compute",
  ]);
  assert.match(said, /^compute/);
  assert.ok(said.includes(`${Number(parts.compute.toPrecision(3))} s`), said);
});

test("a point of the throughput curve says what the JSON says", async () => {
  const [first] = document_of(results.capacity).pareto.sort(
    (a, b) => a.tokens_per_s_per_user - b.tokens_per_s_per_user,
  );
  const said = await tip_at("Throughput against interactivity", 0, [
    first.tokens_per_s_per_user,
    first.tokens_per_s_per_device,
  ]);
  assert.ok(said.includes(`batch ${first.batch}`), said);
  assert.ok(said.includes(`${Number(first.tokens_per_s_per_user.toPrecision(3))} tokens/s`), said);
});

test("the distribution of the work-years counts every draw and says what the JSON says", async () => {
  const { below, above, bins } = document_of(results["forecast-2030"]).work_years_histogram;
  const sum = bins.reduce((all, { share }) => all + share, below + above);
  assert.ok(Math.abs(sum - 1) < 1e-9, String(sum));
  const tallest = bins.reduce((best, bin) => (bin.share > best.share ? bin : best));
  const title = "Distribution of the work-years: forecast-2030.json";
  const said = await tip_at(title, 0, [Math.sqrt(tallest.from * tallest.to), tallest.share / 2]);
  assert.ok(said.includes(`${Number((100 * tallest.share).toPrecision(3))} %`), said);
});

test("a step of the rehearsal says what was measured", async () => {
  const [first] = document_of(results.rehearsal).runs;
  const name = `${first.model} ${first.layout}`;
  const said = await tip_at("Steps: rehearsal.json", 0, [first.predicted_s / 2, name], 8);
  const error = Number((100 * first.error).toPrecision(3));
  assert.ok(said.includes(`${error > 0 ? "+" : ""}${error} %`), said);
});

const plan_table = () =>
  opened.page.locator("#plan .table", { has: opened.page.getByText("micro-batch") }).last();

/** The cells of a column of the plan's table, by its heading. */
async function column(heading) {
  const heads = await plan_table().locator("thead th").allInnerTexts();
  const index = heads.findIndex((text) => text.trim().replace(/[▲▼]/, "") === heading);
  return plan_table()
    .locator("tbody tr")
    .evaluateAll(
      (rows, i) => rows.map((row) => row.cells[i].title || row.cells[i].innerText),
      index,
    );
}

test("the law of a collective is drawn through its points", async () => {
  const dashed = figure_of("Bus bandwidth over size").locator("path[stroke-dasharray]");
  assert.ok((await dashed.count()) > 0);
});

test("the axes of a measurement of one size end near it", async () => {
  const [{ key }] = document_of(results.one_kernel).kernels;
  const [m, n, k] = [...key.matchAll(/\b[mnk]=(\d+)/g)].map(([, digits]) => Number(digits));
  const ends = await figure_of("Rate of products: one-kernel.json")
    .locator(".chart")
    .evaluate((element) => {
      const model = element.forerunChart.getModel();
      return ["xAxis", "yAxis"].map((kind) => model.getComponent(kind).axis.scale.getExtent());
    });
  assert.deepEqual(
    ends.map((pair) => pair.map(Math.round)),
    [m, n * k].map((value) => [
      10 ** Math.floor(Math.log10(value)),
      10 ** Math.ceil(Math.log10(value)),
    ]),
  );
});

test("the schedule is zoomed by keys", async () => {
  const box = figure_of("Schedule of the pipeline").locator(".chart");
  const zoom = () =>
    box.evaluate((element) => {
      const [{ start, end }] = element.forerunChart.getOption().dataZoom;
      return [start, end];
    });
  await box.focus();
  await opened.page.keyboard.press("+");
  assert.deepEqual(await zoom(), [25, 75]);
  await opened.page.keyboard.press("ArrowRight");
  assert.deepEqual(await zoom(), [37.5, 87.5]);
  await opened.page.keyboard.press("0");
  assert.deepEqual(await zoom(), [0, 100]);
});

test("the roofline says which kernels it has no place for", async () => {
  const { kernels } = document_of(results.profile);
  const idle = kernels.filter(({ flop }) => !(flop > 0)).length;
  const note = await figure_of("Roofline: profile.json").locator(".note").innerText();
  assert.equal(note.includes(`${idle} of ${kernels.length} kernels move bytes alone`), idle > 0);
});

test("ranks that share a host count as one host", async () => {
  const { hosts } = document_of(results.profile).topology;
  const fact = opened.page.locator("#profile .facts div", { hasText: /^hosts/ }).first();
  assert.equal(await fact.locator("dd").innerText(), String(new Set(hosts).size));
});

test("the plan's table sorts by a click on a heading, both ways", async () => {
  const memory = document_of(results.plan).layouts.map((layout) => layout.memory_peak_bytes);
  const head = plan_table().locator("thead button", { hasText: /^memory$/ });
  const sorted = [...memory].sort((a, b) => a - b);
  await head.click();
  const ascending = (await column("memory")).map(Number);
  assert.deepEqual(ascending, sorted.slice(0, ascending.length));
  await head.click();
  const descending = (await column("memory")).map(Number);
  assert.deepEqual(descending, sorted.reverse().slice(0, descending.length));
});

test("why a layout is behind is said in words", async () => {
  const { layouts } = document_of(results.alike);
  const note = await figure_of("Why the runner-up lost: alike.json").locator(".note").innerText();
  assert.ok(note.includes(layouts[1].slower_because.replaceAll("_", " ")), note);
});

test("a table of many rows is filtered while one types", { skip: !published }, async () => {
  const took = await opened.page
    .locator("#validation .table", { has: opened.page.getByText("why not priced") })
    .last()
    .locator("input")
    .evaluate((input) => {
      input.value = "megatron 8";
      const start = performance.now();
      input.dispatchEvent(new Event("input"));
      const end = performance.now();
      input.value = "";
      input.dispatchEvent(new Event("input"));
      return end - start;
    });
  assert.ok(took < 1500, `${took} ms`);
});

test("the plan's table keeps the rows that hold every word", async () => {
  const { layouts } = document_of(results.plan);
  const [{ schedule }] = layouts;
  const wanted = layouts.filter((layout) => layout.schedule === schedule).length;
  const filter = plan_table().getByRole("searchbox");
  await filter.fill(`${schedule} on`);
  const left = await column("schedule");
  assert.ok(left.length > 0 && left.every((name) => name.includes(schedule)));
  assert.ok(left.length <= wanted);
  await filter.fill("no such layout");
  assert.equal(await plan_table().locator("tbody tr").count(), 0);
  await filter.fill("");
});

test("every chart's data is a table", async () => {
  const empty = await opened.page.$$eval("figure", (figures) =>
    figures
      .filter((figure) => {
        const details = figure.querySelector("details.data");
        details.open = true;
        details.dispatchEvent(new Event("toggle"));
        return details.querySelectorAll("tbody tr").length === 0;
      })
      .map((figure) => figure.querySelector(".title").textContent),
  );
  assert.deepEqual(empty, []);
  await opened.page.$$eval("details.data", (all) => {
    for (const one of all) one.open = false;
  });
});

test("a chart is saved as an image", async () => {
  const download = opened.page.waitForEvent("download");
  await figure_of("Where the step's time goes: estimate.json").getByRole("button").first().click();
  const saved = await download;
  assert.match(saved.suggestedFilename(), /\.svg$/);
  // On paper of its own: its text is not seen on any other.
  assert.match(readFileSync(await saved.path(), "utf8"), /^<svg[^>]*>\s*<rect [^>]*fill="#/);
});

test("a model called <script> is text", async () => {
  assert.ok((await opened.page.locator("body").innerText()).includes(evil_name));
  assert.equal(await opened.page.locator("main script, main img").count(), 0);
});

test("a name does not turn the text after it around", async () => {
  const text = await opened.page.locator("#estimate").innerText();
  assert.ok(text.includes(turning_name.replace("\u202e", "\ufffd")));
  assert.doesNotMatch(text, /[\u202a-\u202e\u2066-\u2069]/);
});

test("everything that acts is reached by the keyboard", async () => {
  await opened.page.reload();
  await opened.page.keyboard.press("Tab");
  assert.equal(await opened.page.evaluate(() => document.activeElement.className), "skip");
  const unreachable = await opened.page.$$eval(
    "button, input, select, summary, .scroll",
    (all) => all.filter((element) => element.tabIndex < 0).length,
  );
  assert.equal(unreachable, 0);
});

test("colours are told apart by those who see fewer of them", async () => {
  for (const name of ["light", "dark"]) {
    await opened.page.locator(".theme select").selectOption(name);
    const colours = await figure_of("Where the step's time goes: estimate.json")
      .locator(".chart")
      .evaluate((element) => element.forerunChart.getOption().color);
    for (const [vision, least] of [
      ["all colours", 15],
      ["protanopia", 15],
      ["deuteranopia", 15],
      ["tritanopia", 15],
      ["no colours", 5],
    ]) {
      const { difference, pair } = least_difference(colours, vision);
      assert.ok(difference > least, `${name}, ${vision}: ${pair} by ${difference}`);
    }
  }
});

test("dark and light differ, and both keep text readable", async () => {
  const contrast = (name) =>
    opened.page.evaluate(async (value) => {
      const select = document.querySelector(".theme select");
      select.value = value;
      select.dispatchEvent(new Event("change"));
      const style = getComputedStyle(document.querySelector("figure"));
      const light = (colour) => {
        const [r, g, b] = colour.match(/\d+/g).map((part) => {
          const share = Number(part) / 255;
          return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const two = [light(style.color), light(style.backgroundColor)].sort((a, b) => b - a);
      return { paper: style.backgroundColor, ratio: (two[0] + 0.05) / (two[1] + 0.05) };
    }, name);
  const dark = await contrast("dark");
  const light = await contrast("light");
  assert.notEqual(dark.paper, light.paper);
  // WCAG 2.1, 1.4.6.
  assert.ok(dark.ratio > 7 && light.ratio > 7);
});

/** Charts that leave their figure or the page, or are taller than `height`. */
function cut(height) {
  return opened.page.$$eval(
    "figure",
    (figures, most) =>
      figures
        .filter((figure) => {
          const outer = figure.getBoundingClientRect();
          const drawn = figure.querySelector(".chart svg, .chart canvas").getBoundingClientRect();
          const wide = outer.right > document.documentElement.clientWidth + 1;
          return wide || drawn.right > outer.right + 1 || outer.height > most;
        })
        .map((figure) => figure.querySelector(".title").textContent),
    height,
  );
}

test("a narrow screen does not scroll sideways", async () => {
  await opened.page.setViewportSize({ width: 390, height: 800 });
  await opened.page.waitForTimeout(500);
  assert.deepEqual(await cut(Infinity), []);
  assert.ok(await opened.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
});

test("on a narrow screen the ends of a breakdown's axis are both read", async () => {
  const ticks = await opened.page.$$eval("figure", (figures) =>
    figures
      .filter((figure) => figure.querySelector(".title").textContent.startsWith("Where the run's"))
      .map((figure) => {
        const box = figure.querySelector(".chart");
        const { axis } = box.forerunChart.getModel().getComponent("xAxis");
        const drawn = [...box.querySelectorAll("text")].map(({ textContent }) => textContent);
        return axis
          .getViewLabels()
          .filter(({ formattedLabel }) => drawn.includes(formattedLabel))
          .map(({ formattedLabel }) => formattedLabel);
      }),
  );
  assert.ok(ticks.length > 0);
  for (const read of ticks) assert.ok(read.length > 1, read.join(", "));
});

test("on paper no chart is cut", async () => {
  assert.ok((await opened.page.locator("figure canvas").count()) > 0);
  // What A4 leaves between margins of 14 mm, at 96 pixels an inch.
  await opened.page.setViewportSize({ width: 688, height: 1017 });
  await opened.page.emulateMedia({ media: "print", colorScheme: "dark" });
  await opened.page.waitForTimeout(500);
  assert.deepEqual(await cut(1017), []);
  const theme = await opened.page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(theme, "light");
  // Chromium leaves a button blank where a heading comes again on the next sheet.
  const heads = await opened.page.$$eval("thead button", (all) => [
    ...new Set(all.map((button) => getComputedStyle(button).display)),
  ]);
  assert.deepEqual(heads, ["contents"]);
  // Browsers print the last strokes only of a canvas that took many.
  assert.equal(await opened.page.locator("figure canvas").count(), 0);
  const tallest = await opened.page.$$eval("#plan tbody tr", (rows) =>
    Math.max(...rows.map((row) => row.getBoundingClientRect().height)),
  );
  assert.ok(tallest < 40, `a row of ${tallest} pixels`);
  await opened.page.emulateMedia({ media: "screen" });
});

test("two profiles are drawn in one chart", async () => {
  const folders = ["old", "new"].map((name) => join(folder, name));
  for (const one of folders) mkdirSync(one);
  const [before, now] = folders.map((one, i) =>
    slower_profile(results.profile, 1 + i, join(one, "profile.json"), writeFileSync),
  );
  const page = join(folder, "two.html");
  run("report", before, now, "--out", page, "--quiet");
  const two = await open_page(page);
  try {
    const both = two.page.locator("figure", { hasText: "The same kernels and collectives" });
    assert.match(
      await both.locator(".title").innerText(),
      /: old\/profile.json and new\/profile.json$/,
    );
    await both.locator("summary").click();
    const slower = await both.locator("tbody tr td:last-child").allInnerTexts();
    assert.ok(slower.length > 10 && slower.every((text) => text === "2×"), slower.join(" "));
    const curves = await two.page
      .locator("figure", { hasText: "Bus bandwidth side by side" })
      .locator(".chart")
      .evaluate((one) =>
        one.forerunChart
          .getOption()
          .series.filter(({ symbol }) => symbol !== "none")
          .map(({ name, data }) => ({ name, sizes: data.map(([bytes]) => bytes) })),
      );
    for (const end of [": old/profile.json", ": new/profile.json"]) {
      const of_one = curves.filter(({ name }) => name.endsWith(end));
      assert.ok(of_one.length > 0);
      // A size stands once in a curve: formats are not mixed.
      for (const { sizes } of of_one) assert.equal(new Set(sizes).size, sizes.length);
    }
    assert.deepEqual(two.said, []);
  } finally {
    await two.close();
  }
});

test("layouts of different batches say theirs", async () => {
  const plan = document_of(results.plan);
  plan.layouts[1].batch *= 2;
  const file = join(folder, "batches.json");
  writeFileSync(file, JSON.stringify(plan));
  const page = join(folder, "batches.html");
  run("report", file, "--out", page, "--quiet");
  const batches = await open_page(page);
  try {
    const [first, second] = await batches.page
      .locator("figure", { hasText: "Why the runner-up lost" })
      .locator(".chart")
      .evaluate((one) => one.forerunChart.getOption().yAxis[0].data);
    assert.ok(first.endsWith(", batch 64"), first);
    assert.ok(second.endsWith(", batch 128"), second);
  } finally {
    await batches.close();
  }
});

test("a plan of a hundred thousand layouts is a small page that sorts and filters", async () => {
  const plan = many_layouts(results.plan, join(folder, "many.json"), writeFileSync);
  const page = join(folder, "many.html");
  run("report", plan, "--out", page, "--quiet");
  assert.ok(statSync(page).size < 4e6);
  const many = await open_page(page);
  try {
    const text = await many.page.locator("#plan").innerText();
    assert.match(text, /The best 3,000 of 100,000 in the file/);
    const drawn = await many.page.$$eval("figure .chart", (all) =>
      all.every((one) => one.querySelector("svg path, canvas")),
    );
    assert.ok(drawn);
    // A layout whose parts are not in the file has no bar.
    const bars = await many.page
      .locator("figure", { hasText: "Why the runner-up lost" })
      .locator(".chart")
      .evaluate((one) => one.forerunChart.getOption().yAxis[0].data);
    assert.deepEqual(
      bars.map((name) => Number.parseInt(name, 10)),
      [1, 3, 5, 6, 7, 8],
    );
    const rows = many.page.locator("#plan .table tbody tr");
    const first = () => rows.first().locator("td").first().innerText();
    const head = many.page.locator("#plan thead button", { hasText: /^#$/ }).last();
    await head.click();
    await head.click();
    assert.equal(await first(), "3000");
    await many.page.getByRole("searchbox").last().fill("no such layout");
    assert.equal(await rows.count(), 0);
    assert.deepEqual(many.said, []);
  } finally {
    await many.close();
  }
});

test("the console stayed silent and nothing was loaded", () => {
  assert.deepEqual(opened.said, []);
  const loaded = opened.requests.filter((url) => !url.startsWith("data:"));
  assert.deepEqual([...new Set(loaded)], [`file://${report}`]);
});
