// Puts the page into one C++ string: bundle.mjs NODE_MODULES OUT.cpp
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [modules, out] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const { buildSync } = createRequire(join(modules, "anything.js"))("esbuild");

// nodePaths: ECharts lies in the build folder, not beside these files.
const bundled = buildSync({
  entryPoints: [join(here, "main.js")],
  nodePaths: [modules],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  legalComments: "none",
  write: false,
});
const script = bundled.outputFiles[0].text.replaceAll("</", "<\\/").trim();
const style = readFileSync(join(here, "page.css"), "utf8");

// Nothing may be loaded from anywhere; the one script is known by its hash.
const policy = [
  "default-src 'none'",
  `script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'`,
  "style-src 'unsafe-inline'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const page = readFileSync(join(here, "page.html"), "utf8")
  .replace("@POLICY@", () => policy)
  .replace("<!-- style -->", () => `<style>${style}</style>`)
  .replace(
    "<!-- results -->",
    () => `<script type="application/json" id="results">@FORERUN_RESULTS@</script>`,
  )
  .replace("<!-- script -->", () => `<script>${script}</script>`);

// Literals that stand side by side are one; a single long one is slow to read for some compilers.
const delimiter = "forerun_page";
if (page.includes(`)${delimiter}"`)) throw new Error("the page contains the delimiter");
const pieces = [];
for (let start = 0; start < page.length; start += 8000) {
  pieces.push(`R"${delimiter}(${page.slice(start, start + 8000)})${delimiter}"`);
}
writeFileSync(
  out,
  `// Generated from estimator/report/page; edit those.
#include "estimator/report/report.hpp"

namespace forerun {

std::string_view page_template() {
  return ${pieces.join("\n")};
}

std::string_view page_missing_because() {
  return {};
}

}  // namespace forerun
`,
);
