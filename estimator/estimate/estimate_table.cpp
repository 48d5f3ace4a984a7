#include "estimator/estimate/estimate_table.hpp"

#include <ostream>
#include <string>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "units/quantity_text.hpp"
#include "units/text_bar.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

std::string seconds(const Json& value) {
  return text_of(value.get<double>() * unit::second);
}

std::string bytes(const Json& value) {
  return text_of(value.get<double>() * unit::byte);
}

std::string percent(const Json& value) {
  return value.is_null() ? "unknown" : fmt::format("{:.1f} %", 100.0 * value.get<double>());
}

std::string or_unknown(const Json& value) {
  return value.is_null() ? "unknown" : count_text(value.get<double>());
}

std::string layout_text(const Json& layout) {
  std::string text;
  for (const auto& [degree, value] : layout.items()) {
    if (value.get<std::int64_t>() > 1 || degree == "dp") {
      text += fmt::format("{}{}={}", text.empty() ? "" : ",", degree, value.get<std::int64_t>());
    }
  }
  return text;
}

void print_head(const Json& document, std::ostream& out) {
  const Json& inputs = document["inputs"];
  const Json& recipe = inputs["recipe"];
  const Json& cluster = inputs["cluster"];
  const bool offloads = recipe["offload"] != "none";
  fmt::print(out,
             "{} ({} parameters) on {} x {} ({})\n",
             inputs["model"]["name"].get<std::string>(),
             count_text(inputs["model"]["parameters"].get<double>()),
             cluster["devices"].get<std::int64_t>(),
             cluster["device"].get<std::string>(),
             cluster["name"].get<std::string>());
  fmt::print(out,
             "layout {}; batch {} x {} tokens, micro-batch {}, {} micro-batches; {}, recompute {}, "
             "{}, sp {}, zero {}, overlap {}{}\n\n",
             layout_text(inputs["layout"]),
             recipe["batch"].get<std::int64_t>(),
             recipe["seq"].get<std::int64_t>(),
             recipe["micro_batch"].get<std::int64_t>(),
             recipe["micro_batches_per_pipeline"].get<std::int64_t>(),
             recipe["precision"].get<std::string>(),
             recipe["recompute"].get<std::string>(),
             recipe["schedule"].get<std::string>(),
             recipe["sp"].get<std::string>(),
             recipe["zero"].get<int>(),
             inputs["overlap"].get<std::string>(),
             offloads ? ", offload " + recipe["offload"].get<std::string>() : std::string());
}

// Nothing where every weight is trained, without a teacher.
void print_tuning(const Json& document, std::ostream& out) {
  const Json& recipe = document["inputs"]["recipe"];
  if (!recipe["lora_rank"].is_null()) {
    fmt::print(out,
               "fine-tuning by {}: adapters of rank {} beside {}, {} parameters trained\n\n",
               recipe["tuning"].get<std::string>(),
               recipe["lora_rank"].get<std::int64_t>(),
               recipe["lora_targets"].get<std::string>(),
               count_text(recipe["trained_parameters"].get<double>()));
  }
  if (!recipe["teacher"].is_null()) {
    fmt::print(out,
               "distillation: {} runs forward beside the model, frozen\n\n",
               recipe["teacher"].get<std::string>());
  }
}

void print_step(const Json& document, std::ostream& out) {
  const double total = document["step_time_s"].get<double>();
  fmt::print(out,
             "step time          {:>10}   90 % band {} to {}\n",
             seconds(total),
             seconds(document["error_band_s"][0]),
             seconds(document["error_band_s"][1]));
  for (const auto& [part, value] : document["breakdown_s"].items()) {
    fmt::print(out,
               "  {:<16} {:>10}   {:>5.1f} %{}\n",
               part,
               seconds(value),
               100.0 * value.get<double>() / total,
               bar_text(out, value.get<double>() / total));
  }
  fmt::print(out,
             "rate               {:>10} TFLOP/s per device   MFU {}   HFU {}\n",
             count_text(document["tflops_per_device"].get<double>()),
             percent(document["mfu"]),
             percent(document["hfu"]));
  fmt::print(
      out, "tokens             {:>10}/s\n", count_text(document["tokens_per_s"].get<double>()));
}

void print_memory(const Json& document, std::ostream& out) {
  fmt::print(out,
             "\nmemory at its peak {:>10}   of {} on stage {}: {}\n",
             bytes(document["memory_peak_bytes"]),
             bytes(document["inputs"]["cluster"]["memory_per_device_bytes"]),
             document["memory_peak_stage"].get<std::int64_t>(),
             document["feasible"].get<bool>() ? "fits" : "DOES NOT FIT");
  for (const auto& [kind, value] : document["memory_bytes"].items()) {
    if (value.get<double>() > 0.0) {
      const double share = value.get<double>() /
                           document["inputs"]["cluster"]["memory_per_device_bytes"].get<double>();
      fmt::print(out, "  {:<16} {:>10}{}\n", kind, bytes(value), bar_text(out, share));
    }
  }
  if (document["host_memory_bytes"].get<double>() > 0.0) {
    fmt::print(out,
               "host memory        {:>10}   of {} a node\n",
               bytes(document["host_memory_bytes"]),
               bytes(document["inputs"]["cluster"]["host_memory_per_node_bytes"]));
  }
}

// Of owned devices: what the sum of the line before is made of.
void print_cost_parts(const Json& run, std::ostream& out) {
  if (run.is_null() || run["cost_parts_usd"].is_null()) {
    return;
  }
  const Json& parts = run["cost_parts_usd"];
  if (parts["hardware"].get<double>() > 0.0) {
    fmt::print(out,
               "  of the cost        hardware {}, energy {}, staff {} USD\n",
               count_text(parts["hardware"].get<double>()),
               count_text(parts["energy"].get<double>()),
               count_text(parts["staff"].get<double>()));
  }
}

void print_run(const Json& document, std::ostream& out) {
  const Json& run = document["run"];
  if (!run.is_null()) {
    fmt::print(
        out,
        "\nrun                {} days{}, {} steps, {} device-hours, {} kWh, {} USD ({})\n",
        count_text(run["days"].get<double>()),
        run["end_date"].is_null() ? std::string() : " until " + run["end_date"].get<std::string>(),
        count_text(run["steps"].get<double>()),
        count_text(run["device_hours"].get<double>()),
        or_unknown(run["energy_kwh"]),
        or_unknown(run["cost_usd"]),
        run["goodput"].is_null() ? "without failures"
                                 : fmt::format("goodput {}", percent(run["goodput"])));
  }
  print_cost_parts(run, out);
  const Json& share = document["provenance"];
  fmt::print(out,
             "\nprices             measured {}, interpolated {}, fitted {}, datasheet {}\n",
             percent(share["measured"]),
             percent(share["interpolated"]),
             percent(share["fitted"]),
             percent(share["datasheet"]));
  for (const Json& note : document["notes"]) {
    fmt::print(out, "note: {}\n", note.get<std::string>());
  }
}

}  // namespace

void print_estimate(const Json& document, std::ostream& out) {
  print_head(document, out);
  print_tuning(document, out);
  print_step(document, out);
  print_memory(document, out);
  print_run(document, out);
}

}  // namespace forerun
