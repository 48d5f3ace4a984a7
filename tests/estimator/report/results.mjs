// Results for the page to show: every verb of the program as it is, and two real measurements.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
export const evil_name = "<script>alert(1)<&script>.json";
export const turning_name = "turned \u202etxt.json";

export function run(...words) {
  try {
    return execFileSync(process.env.FORERUN, words, { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    // 3: nothing that was asked for fits; the answer is written all the same.
    if (error.status === 3) return error.stdout;
    throw new Error(`forerun ${words.join(" ")}: ${error.stderr}`);
  }
}

const tiny = {
  model_type: "gpt2",
  architectures: ["GPT2LMHeadModel"],
  n_embd: 128,
  n_layer: 4,
  n_head: 4,
  n_positions: 256,
  vocab_size: 1024,
};

/** Writes the results into `folder`; { name: path }. */
export function make_results(folder, write) {
  const file = (name) => join(folder, name);
  const json = (name, ...words) => {
    run(...words, "--format", "json", "--out", file(name), "--quiet");
    return file(name);
  };
  mkdirSync(folder, { recursive: true });
  for (const name of [evil_name, turning_name]) write(file(name), JSON.stringify(tiny));
  const job = ["--model", "llama-3-70b", "--cluster", "dgx-h100", "--seq", "4096"];
  const run_of = ["--tokens", "1T", "--restart", "10min"];
  const results = {
    estimate: json(
      "estimate.json",
      "estimate",
      ...job,
      ...run_of,
      ...["--devices", "64", "--layout", "tp=8,pp=4", "--batch", "512"],
      ...["--trace", file("trace.json")],
    ),
    evil: json(
      "evil.json",
      ...["estimate", "--model", file(evil_name), "--cluster", "dgx-h100"],
      ...["--devices", "8", "--layout", "dp=8", "--seq", "64"],
    ),
    turning: json(
      "turning.json",
      ...["estimate", "--model", file(turning_name), "--cluster", "dgx-h100"],
      ...["--devices", "8", "--layout", "dp=8", "--seq", "64"],
    ),
    trace: file("trace.json"),
    // Layouts that hardly differ: what stands on a short axis.
    alike: json(
      "alike.json",
      ...["plan", "--model", "llama-3-70b", "--cluster", "dgx-h100", "--devices", "512"],
      ...["--batch", "1024", "--seq", "8192", "--emit", "megatron"],
    ),
    plan: json(
      "plan.json",
      "plan",
      ...job,
      ...run_of,
      ...["--devices", "64", "--batch", "64", "--top", "60"],
    ),
    capacity: json(
      "capacity.json",
      ...["capacity", "--model", "llama-3-70b", "--cluster", "dgx-h100", "--devices", "64"],
      ...["--precision", "fp8", "--ttft", "500ms", "--tpot", "50ms"],
    ),
  };
  for (const year of [2027, 2030]) {
    results[`forecast-${year}`] = json(
      `forecast-${year}.json`,
      ...["forecast", "--year", String(year), "--scenario", "epoch-trend", "--samples", "20000"],
    );
  }
  const published = join(process.env.FORERUN_REFERENCE_DATA ?? "", "published/training_runs.csv");
  if (existsSync(published)) {
    results.validation = json("validation.json", "validate", "--table", published);
  }
  for (const name of ["profile", "rehearsal"]) {
    results[name] = file(`${name}.json`);
    copyFileSync(join(here, "results", `${name}.json`), results[name]);
  }
  results.one_kernel = one_kernel(results.profile, file("one-kernel.json"), write);
  return results;
}

/**
 * The largest plan that is asked for: a hundred thousand layouts, each a little slower than the one
 * before.
 */
export function many_layouts(plan, path, write) {
  const document = JSON.parse(readFileSync(plan, "utf8"));
  const { layouts } = document;
  const made = layouts.map(({ breakdown_s, memory_bytes, run, ...rest }) => rest);
  // Some of the best without their parts.
  const whole = (i) => i < layouts.length && i !== 1 && i !== 3;
  document.layouts = Array.from({ length: 100_000 }, (_, i) => ({
    ...(whole(i) ? layouts[i] : made[i % made.length]),
    step_time_s: layouts[0].step_time_s * (1 + i * 1e-5),
  }));
  write(path, JSON.stringify(document));
  return path;
}

/** The profile of the same machine, so many times as slow, with its collectives in bf16 too. */
export function slower_profile(profile, factor, path, write) {
  const document = JSON.parse(readFileSync(profile, "utf8"));
  const sixteen_bits = document.collectives
    .filter(({ key }) => key.startsWith("all_"))
    .map((record) => ({ ...record, key: record.key.replace(" fp32 ", " bf16 ") }));
  document.collectives.push(...sixteen_bits);
  for (const record of [...document.kernels, ...document.collectives]) {
    for (const key of ["median_s", "low_s", "high_s"]) record[key] *= factor;
    for (const key of ["flop_per_s", "bytes_per_s", "algbw_bytes_per_s", "busbw_bytes_per_s"]) {
      if (record[key]) record[key] /= factor;
    }
  }
  write(path, JSON.stringify(document));
  return path;
}

/** The smallest profile there can be: one product, nothing else. */
function one_kernel(profile, path, write) {
  const document = JSON.parse(readFileSync(profile, "utf8"));
  document.kernels = document.kernels.filter(({ key }) => key.startsWith("gemm")).slice(0, 1);
  document.collectives = [];
  document.overlap = null;
  document.topology.levels = [];
  document.topology.measured = null;
  document.skipped = [];
  write(path, JSON.stringify(document));
  return path;
}
