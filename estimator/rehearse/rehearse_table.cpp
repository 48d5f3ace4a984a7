// The document of `rehearse` for people.
#include <ostream>
#include <string>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/rehearse/rehearse_json.hpp"
#include "estimator/rehearse/stated_routes.hpp"
#include "units/quantity_text.hpp"
#include "units/text_bar.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

std::string time_text(const Json& value) {
  return value.is_null() ? "-" : text_of(value.get<double>() * unit::second);
}

std::string bytes_text(const Json& value) {
  return value.is_null() ? "-" : text_of(value.get<double>() * unit::byte);
}

std::string percent_text(const Json& value) {
  return value.is_null() ? "" : fmt::format("{:+.1f}%", 100.0 * value.get<double>());
}

void print_row(const std::string& name,
               const std::string& predicted,
               const std::string& measured,
               const Json& error,
               std::ostream& out) {
  fmt::print(out, "  {:<18} {:>10} {:>10} {:>8}\n", name, predicted, measured, percent_text(error));
}

// Nothing of a part that is neither foreseen nor there.
Json relative(const Json& times) {
  const auto measured = times["measured_s"].get<double>();
  return measured > 0.0 ? Json(times["predicted_s"].get<double>() / measured - 1.0) : Json(nullptr);
}

// With a bar of the step's measured time that it takes.
void print_part(const std::string& name, const Json& times, const Json& step, std::ostream& out) {
  const double share =
      step.is_null() || step == 0.0 ? 0.0 : times["measured_s"].get<double>() / step.get<double>();
  fmt::print(out,
             "    {:<16} {:>10} {:>10} {:>8}{}\n",
             name,
             time_text(times["predicted_s"]),
             time_text(times["measured_s"]),
             percent_text(relative(times)),
             bar_text(out, share));
}

void print_equality(const Json& equality, std::ostream& out) {
  if (equality["equal"].is_null()) {
    fmt::print(out, "  equality with one rank: {}\n", equality["note"].get<std::string>());
    return;
  }
  fmt::print(
      out,
      "  {} with the one-rank step at {:.0e}: loss {:.6f} and {:.6f}, after one update {:.6f} "
      "and {:.6f}; worst gradient {:.1e} ({})\n",
      equality["equal"].get<bool>() ? "EQUAL" : "NOT EQUAL",
      equality["tolerance"].get<double>(),
      equality["loss"].get<double>(),
      equality["one_rank_loss"].get<double>(),
      equality["second_step_loss"].get<double>(),
      equality["one_rank_second_step_loss"].get<double>(),
      equality["worst_gradient_error"].get<double>(),
      equality["worst_gradient"].get<std::string>());
}

// A load that says where tokens go is also what came.
void print_experts(double busiest, const std::string& load, std::ostream& out) {
  fmt::print(
      out, "  experts: the busiest rank got {:.2f} times an even share of the rows", busiest);
  if (const auto stated = expert_load_from(load); stated && says_where(*stated)) {
    fmt::print(
        out,
        "; tokens were sent as predicted, {} (--expert-load busiest:1 leaves them to a fresh "
        "router)\n",
        load);
  } else {
    fmt::print(out,
               "; predicted with {} (--expert-load busiest:{:.2f} would price what came)\n",
               load,
               busiest);
  }
}

void print_run(const Json& run, std::ostream& out) {
  const auto layers = run["layers"].get<std::int64_t>();
  const auto whole = run["model_layers"].get<std::int64_t>();
  fmt::print(out,
             "\n{}{} {}: batch {} x {} tokens, micro-batch {}, {}\n",
             run["model"].get<std::string>(),
             layers == whole ? "" : fmt::format(" ({} of {} layers)", layers, whole),
             run["layout"].get<std::string>(),
             run["batch"].get<std::int64_t>(),
             run["seq"].get<std::int64_t>(),
             run["micro_batch"].get<std::int64_t>(),
             run["precision"].get<std::string>());
  fmt::print(out, "  {:<18} {:>10} {:>10} {:>8}\n", "", "predicted", "measured", "error");
  print_row("step", time_text(run["predicted_s"]), time_text(run["measured_s"]), run["error"], out);
  if (const Json& speed = run["machine_speed"]; !speed.is_null()) {
    const auto as_profiled = speed["predicted_as_profiled_s"].get<double>();
    print_row("  as profiled",
              time_text(speed["predicted_as_profiled_s"]),
              time_text(run["measured_s"]),
              run["measured_s"].is_null() ? Json(nullptr)
                                          : Json(as_profiled / run["measured_s"].get<double>() - 1),
              out);
    fmt::print(
        out,
        "    (kernels take {:.2f} times the profile's now: {} timed again, {:.0f} % of theirs)\n",
        speed["kernel_time_over_profile"].get<double>(),
        speed["kernels"].get<std::int64_t>(),
        100.0 * speed["share_of_kernel_time"].get<double>());
  }
  if (!run["layer_factor"].is_null()) {
    print_row(fmt::format("  factor {:.3f}", run["layer_factor"].get<double>()),
              time_text(run["predicted_with_factor_s"]),
              time_text(run["measured_s"]),
              run["error_with_factor"],
              out);
  }
  for (const auto& [part, times] : run["parts"].items()) {
    if (times["predicted_s"] != 0.0 || times["measured_s"] != 0.0) {
      print_part(part, times, run["measured_s"], out);
    }
  }
  const Json& memory = run["memory"];
  print_row("tensor memory",
            bytes_text(memory["predicted_bytes"]),
            bytes_text(memory["measured_bytes"]),
            memory["error"],
            out);
  if (!run["busiest_experts"].is_null()) {
    print_experts(run["busiest_experts"].get<double>(),
                  run["inputs"]["recipe"]["expert_load"].get<std::string>(),
                  out);
  }
  print_equality(run["equality"], out);
}

void print_errors(const char* name, const Json& errors, std::ostream& out) {
  fmt::print(out,
             "{}: mean error {:.1f} %, bias {:+.1f} %, worst {:.1f} %{}\n",
             name,
             100.0 * errors["mape"].get<double>(),
             100.0 * errors["bias"].get<double>(),
             100.0 * errors["max"].get<double>(),
             errors["spearman"].is_null()
                 ? ""
                 : fmt::format(", Spearman {:.3f}", errors["spearman"].get<double>()));
}

}  // namespace

void print_rehearsal(const Json& document, std::ostream& out) {
  for (const Json& run : document["runs"]) {
    print_run(run, out);
  }
  fmt::print(out, "\n");
  for (const Json& left : document["left_out"]) {
    fmt::print(out,
               "left out: {}: {}\n",
               left["case"].get<std::string>(),
               left["reason"].get<std::string>());
  }
  if (document["runs"].empty()) {
    return;
  }
  print_errors(fmt::format("{} runs, factor 1", document["runs"].size()).c_str(), document, out);
  if (!document["as_profiled"].is_null()) {
    print_errors("by the profile as it stands", document["as_profiled"], out);
  }
  if (!document["with_factor"].is_null()) {
    print_errors("with the machine's factor", document["with_factor"], out);
  }
  fmt::print(out, "\n{}\n", document["meaning"].get<std::string>());
}

}  // namespace forerun
