#include "estimator/validate/published_time.hpp"

#include <array>
#include <functional>
#include <regex>

#include <fmt/format.h>

#include "estimator/step/work_list.hpp"
#include "jobs/parameter_count.hpp"
#include "units/input_error.hpp"
#include "units/integer.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

double tokens_of(const Job& job) {
  return real(job.recipe.global_batch) * real(job.recipe.sequence);
}

/// The sizes that the published formulas name.
struct Sizes {
  double layers, hidden, sequence, vocabulary;
};

Sizes sizes_of(const Job& job) {
  return {real(job.model.layers),
          real(job.model.hidden),
          real(job.recipe.sequence),
          real(job.model.vocabulary)};
}

// 96 B s l h^2 (1 + s/6h + V/16lh): forward, backward and a second forward.
Flops sc21(const Job& job) {
  const auto [l, h, s, v] = sizes_of(job);
  return 96.0 * tokens_of(job) * l * h * h * (1.0 + s / (6.0 * h) + v / (16.0 * l * h)) *
         unit::flop;
}

// 72 B s l h^2 (1 + s/6h + V/12lh).
Flops korthikanti(const Job& job) {
  const auto [l, h, s, v] = sizes_of(job);
  return 72.0 * tokens_of(job) * l * h * h * (1.0 + s / (6.0 * h) + v / (12.0 * l * h)) *
         unit::flop;
}

// 6N + 12 L d s.
Flops palm(const Job& job) {
  const auto [l, h, s, v] = sizes_of(job);
  return tokens_of(job) * (6.0 * real(count_parameters(job.model).active) + 12.0 * l * h * s) *
         unit::flop;
}

Flops eight_n(const Job& job) {
  return 8.0 * real(count_parameters(job.model).active) * tokens_of(job) * unit::flop;
}

// Megatron's count with the causal half of attention.
Flops causal(const Job& job) {
  return tokens_of(job) * model_flops_per_token(job.model, job.recipe.sequence);
}

// The same with the whole square: what half the square counts, counted once more.
Flops full_square(const Job& job) {
  const AttentionShape& attention = job.model.attention;
  const double half = 6.0 * real(job.model.layers) * real(attention.heads) *
                      real(attention.head_size) * real(job.recipe.sequence);
  return causal(job) + tokens_of(job) * half * unit::flop;
}

// The DGX Cloud READMEs of Nemotron count attention projections as 8 l h^2 though key-value heads
// are fewer.
Flops without_grouping(const Job& job) {
  Job plain = job;
  plain.model.attention.kv_heads = plain.model.attention.heads;
  return full_square(plain);
}

struct Convention {
  std::regex pattern;
  std::string phrase;
  Flops (*flops)(const Job&);
};

// The first that matches.
const std::vector<Convention>& conventions() {
  using std::regex;
  static const std::vector<Convention> all{
      {regex(R"(8\*N\*tokens)"), "8 N tokens", eight_n},
      {regex(R"(96\*B\*s\*l\*h\^2|Megatron SC21|with activation recompute)"),
       "96 B s l h^2 (1 + s/6h + V/16lh)",
       sc21},
      {regex(R"(72\*B\*s\*l\*h\^2)"), "72 B s l h^2 (1 + s/6h + V/12lh)", korthikanti},
      {regex("ignores GQA"), "model FLOP, full attention, no grouped heads", without_grouping},
      {regex(R"(6 ?\*? ?(N|n_params))"), "(6 N + 12 L d s) tokens", palm},
      {regex("causal"), "model FLOP, causal attention", causal},
      {regex(R"(full s\^2)"), "model FLOP, full attention", full_square},
      // Megatron's own count from 2022 to 2025 had the whole square; Megatron-Bridge prints which.
      {regex("Megatron formula|[Mm]odel FLOPs"), "model FLOP, full attention", full_square}};
  return all;
}

double positive(double value, const char* column) {
  if (!(value > 0.0)) {
    throw InputError(column, "is not above zero");
  }
  return value;
}

// "peak 989", "peak 312/989", "publisher MFU peak = 989": the first number, in TFLOP/s.
std::optional<FlopsPerSecond> stated_peak(const std::string& convention) {
  static const std::regex pattern("peak *=? *([0-9]+)(?![0-9/])");
  std::smatch found;
  if (std::regex_search(convention, found, pattern)) {
    return std::stod(found[1].str()) * unit::teraflop / unit::second;
  }
  return std::nullopt;
}

DataType peak_type(Precision precision) {
  return has_narrow_products(precision) ? DataType::fp8_e4m3 : data_type_of(precision);
}

std::optional<FlopsPerSecond> peak_of(const std::string& convention,
                                      const Job& job,
                                      const DeviceSpec& device) {
  if (const auto stated = stated_peak(convention)) {
    return stated;
  }
  const auto found = device.peak.find(peak_type(job.recipe.precision));
  return found == device.peak.end() ? std::nullopt : std::optional(found->second);
}

struct Rate {
  const char* column;
  FlopsPerSecond rate;  ///< of one device
};

std::optional<Rate> published_rate(const Cells& results,
                                   const std::string& convention,
                                   const Job& job,
                                   const DeviceSpec& device) {
  if (const auto rate = number_in(results, "tflops_per_gpu")) {
    return Rate{"tflops_per_gpu",
                positive(*rate, "tflops_per_gpu") * unit::teraflop / unit::second};
  }
  const bool counts_recompute = job.recipe.recompute.kind != Recompute::none;
  const auto peak = peak_of(convention, job, device);
  for (const char* column : {"mfu_pct", "hfu_pct"}) {
    // Without recomputation the two are one.
    const bool is_usable = std::string_view(column) == "mfu_pct" || !counts_recompute;
    const auto share = number_in(results, column);
    if (share && peak && is_usable) {
      return Rate{column, positive(*share, column) / 100.0 * *peak};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<CountedFlops> flops_by_convention(const std::string& convention, const Job& job) {
  for (const Convention& known : conventions()) {
    if (std::regex_search(convention, known.pattern)) {
      return CountedFlops{known.flops(job), known.phrase};
    }
  }
  return std::nullopt;
}

std::optional<PublishedTime> published_time(const Cells& results,
                                            const std::string& convention,
                                            const Job& job,
                                            const DeviceSpec& device) {
  if (const auto seconds = number_in(results, "step_time_s")) {
    return PublishedTime{positive(*seconds, "step_time_s") * unit::second, "step_time_s"};
  }
  const double devices = real(world_size(job.layout));
  if (const auto rate = number_in(results, "tokens_per_s_per_gpu")) {
    return PublishedTime{
        tokens_of(job) / (positive(*rate, "tokens_per_s_per_gpu") * devices) * unit::second,
        "tokens_per_s_per_gpu"};
  }
  const auto rate = published_rate(results, convention, job, device);
  const auto counted = flops_by_convention(convention, job);
  if (!rate || !counted) {
    return std::nullopt;
  }
  return PublishedTime{counted->flops / (rate->rate * devices),
                       fmt::format("{}, {}", rate->column, counted->convention)};
}

}  // namespace forerun
