// A Chromium of its own that opens one page and remembers what the page said and asked for.
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { chromium } = createRequire(join(process.env.FORERUN_PAGE_MODULES, "x.js"))(
  "playwright-core",
);

const flags = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** { page, said, requests, close }; `said` holds console lines and errors. */
export async function open_page(file, settings = {}) {
  const folder = mkdtempSync(join(tmpdir(), "forerun-browser-"));
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: process.env.FORERUN_CHROMIUM,
    args: flags,
    headless: true,
    acceptDownloads: true,
    viewport: { width: 1280, height: 900 },
    timeout: 180_000,
    ...settings,
  });
  context.setDefaultTimeout(240_000);
  const page = context.pages()[0] ?? (await context.newPage());
  const said = [];
  const requests = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(`error: ${error.message}`));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(`file://${file}`);
  await page.waitForSelector("html[data-ready=yes]", { state: "attached" });
  const close = async () => {
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  };
  return { page, said, requests, close };
}
