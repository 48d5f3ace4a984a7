#include "estimator/validate/row_job.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "units/input_error.hpp"
#include "units/quantity_text.hpp"

namespace forerun {
namespace {

std::string lower(std::string text) {
  std::ranges::transform(
      text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// Tables write "BF16", "fp8-cs", "fp8 (current/delayed scaling)", "fp8-mx", ...
Precision precision_of(const Cells& cells) {
  const std::string text = lower(text_in(cells, "precision"));
  if (text.starts_with("fp8-mx")) {
    return Precision::mxfp8;
  }
  if (text.starts_with("nvfp4") || text == "fp4") {
    return Precision::nvfp4;
  }
  for (const auto precision :
       {Precision::bf16, Precision::fp16, Precision::fp32, Precision::mxfp8, Precision::fp8}) {
    if (text.starts_with(name_of(precision))) {
      return precision;
    }
  }
  throw InputError("precision",
                   text.empty() ? "is not published and no rule fills it"
                                : fmt::format("'{}' is not known", text));
}

bool is_true(const Cells& cells, const std::string& column) {
  return lower(text_in(cells, column)) == "true";
}

// The world is the product of tp, pp, cp and dp: dp follows from the devices. Some tables print a
// dp that leaves out the experts' ranks; then the devices are right.
std::int64_t data_degree(const Cells& cells, std::int64_t model_ranks, RowJob& row) {
  const auto devices = count_in(cells, "num_gpus");
  const auto stated = count_in(cells, "dp");
  if (!devices && !stated) {
    throw InputError("num_gpus", "is not published");
  }
  if (!devices) {
    return *stated;
  }
  if (*devices % model_ranks != 0) {
    throw InputError(
        "num_gpus",
        fmt::format("{} devices are no multiple of tp*pp*cp = {}", *devices, model_ranks));
  }
  const std::int64_t data = *devices / model_ranks;
  if (!stated || *stated != data) {
    row.assumed.emplace_back("dp");
  }
  return data;
}

// Several devices and not a word on how they share the model.
void require_layout(const Cells& cells) {
  constexpr auto telling =
      std::to_array<const char*>({"tp", "pp", "cp", "dp", "fsdp", "zero_stage"});
  const bool is_told =
      std::ranges::any_of(telling, [&](const char* column) { return cells.contains(column); });
  if (!is_told && count_in(cells, "num_gpus").value_or(1) > 1) {
    throw InputError("tp", "and pp are not published and no rule fills them");
  }
}

ParallelLayout layout_of(const Cells& cells, RowJob& row) {
  require_layout(cells);
  ParallelLayout layout;
  layout.tensor = count_in(cells, "tp").value_or(1);
  layout.pipeline = count_in(cells, "pp").value_or(1);
  layout.context = count_in(cells, "cp").value_or(1);
  layout.expert = count_in(cells, "ep").value_or(1);
  layout.expert_tensor = count_in(cells, "etp").value_or(1);
  if (text_in(cells, "vp") == "best") {
    row.open_virtual_pipeline = layout.pipeline > 1;
  } else {
    layout.virtual_pipeline = count_in(cells, "vp").value_or(1);
  }
  if (layout.pipeline == 1) {
    layout.virtual_pipeline = 1;
  }
  layout.data = data_degree(cells, layout.tensor * layout.pipeline * layout.context, row);
  return layout;
}

RecomputePolicy recompute_of(const Cells& cells, RowJob& row) {
  const std::string text = text_in(cells, "recompute");
  if (text == "fits") {
    row.open_recompute = true;
    return {};
  }
  if (text == "none-if-it-ran") {
    row.recomputes_to_run = true;
    return {};
  }
  const auto policy = text.empty() ? RecomputePolicy{} : recompute_policy_from(text);
  if (!policy) {
    throw InputError("recompute", fmt::format("'{}' is not known", text));
  }
  return *policy;
}

// Weights sharded by FSDP are ZeRO-3 unless the row says otherwise.
ZeroStage zero_of(const Cells& cells) {
  const auto stage = count_in(cells, "zero_stage", 0);
  switch (stage.value_or(is_true(cells, "fsdp") ? 3 : 1)) {
    case 0:
      return ZeroStage::none;
    case 1:
      return ZeroStage::optimizer;
    case 2:
      return ZeroStage::gradients;
    case 3:
      return ZeroStage::parameters;
    default:
      throw InputError("zero_stage", fmt::format("'{}' (expected 0 to 3)", *stage));
  }
}

Software software_of(const Cells& cells) {
  const std::string name = text_in(cells, "software");
  if (name.empty()) {
    return {};
  }
  const Software* const preset = software_preset(name);
  if (preset == nullptr) {
    throw InputError("software", fmt::format("'{}' is no preset", name));
  }
  return *preset;
}

// Adapters, where the row is of some.
void set_tuning(const Cells& cells, Recipe& recipe) {
  const std::string name = text_in(cells, "tuning");
  if (name.empty()) {
    return;
  }
  if (name != name_of(Tuning::lora)) {
    throw InputError("tuning", fmt::format("'{}' is not known", name));
  }
  recipe.tuning = Tuning::lora;
  recipe.adapters.rank = count_in(cells, "lora_rank").value_or(recipe.adapters.rank);
  const std::string text = text_in(cells, "lora_targets");
  const auto targets = text.empty() ? LoraTargets{} : lora_targets_from(text);
  if (!targets) {
    throw InputError("lora_targets", fmt::format("'{}' is not known", text));
  }
  recipe.adapters.targets = *targets;
}

Offload offload_of(const Cells& cells) {
  const std::string text = text_in(cells, "offload");
  const auto offload = text.empty() ? Offload{} : offload_from(text);
  if (!offload) {
    throw InputError("offload", fmt::format("'{}' is not known", text));
  }
  return *offload;
}

ExpertDispatch dispatch_of(const Cells& cells) {
  const std::string text = text_in(cells, "ep_kind");
  const auto dispatch = text.empty() ? ExpertDispatch{} : expert_dispatch_from(text);
  if (!dispatch) {
    throw InputError("ep_kind", fmt::format("'{}' is not known", text));
  }
  return *dispatch;
}

// "N" sequences, or one of the words that rules use: dp*micro_batch, 4*dp*micro_batch; batch/dp,
// best.
void set_batches(const Cells& cells, RowJob& row) {
  Recipe& recipe = row.job.recipe;
  const std::int64_t data = row.job.layout.data;
  const std::string batch = text_in(cells, "global_batch");
  const std::string micro = text_in(cells, "micro_batch");
  const bool is_four_times = batch == "4*dp*micro_batch";
  const bool batch_follows = is_four_times || batch == "dp*micro_batch";
  if (batch.empty()) {
    throw InputError("global_batch", "is not published and no rule fills it");
  }
  if (!batch_follows) {
    recipe.global_batch = *count_in(cells, "global_batch");
  }
  if (micro == "batch/dp") {
    recipe.micro_batch = std::max<std::int64_t>(1, recipe.global_batch / data);
  } else if (micro.empty() || micro == "best") {
    if (batch_follows) {
      throw InputError("micro_batch", "is not published and no rule fills it");
    }
    row.open_micro_batch = true;
    row.assumed.emplace_back("micro_batch");
  } else {
    recipe.micro_batch = *count_in(cells, "micro_batch");
  }
  if (batch_follows) {
    recipe.global_batch = (is_four_times ? 4 : 1) * data * recipe.micro_batch;
  }
}

constexpr auto hardware_columns = std::to_array<const char*>({"cluster",
                                                              "devices_per_node",
                                                              "node_network",
                                                              "device_memory",
                                                              "device_memory_bandwidth",
                                                              "device_power"});

std::string hardware_key_of(const Cells& cells) {
  std::string key;
  for (const char* column : hardware_columns) {
    key += text_in(cells, column) + "|";
  }
  return key;
}

// The quantity in a cell, or nothing where it is absent.
template <typename Parse>
auto quantity_in(const Cells& cells, const char* column, Parse parse)
    -> decltype(parse(std::string_view())) {
  const std::string text = text_in(cells, column);
  if (text.empty()) {
    return std::nullopt;
  }
  const auto value = parse(text);
  if (!value) {
    throw InputError(column, fmt::format("'{}' (expected a number with its unit)", text));
  }
  return value;
}

// A device that is held at a lower power runs matrix work at the clock that it then sustains: power
// goes with clock times voltage squared, and voltage with clock, so the clock with the third root.
void limit_power(DeviceSpec& device, Watts limit) {
  if (!device.power) {
    throw InputError("device_power", device.name + " states no power in the catalog");
  }
  const double clock = std::min(1.0, std::cbrt(limit / *device.power));
  for (auto& [type, rate] : device.peak) {
    rate *= clock;
  }
}

}  // namespace

RowJob job_of_row(const Cells& cells) {
  RowJob row;
  Job& job = row.job;
  row.hardware_key = hardware_key_of(cells);
  job.model = model_of_row(cells);
  job.layout = layout_of(cells, row);
  job.recipe.sequence = job.model.max_positions;
  job.recipe.precision = precision_of(cells);
  set_batches(cells, row);
  set_tuning(cells, job.recipe);
  job.recipe.recompute = recompute_of(cells, row);
  job.recipe.offload = offload_of(cells);
  job.recipe.expert_dispatch = dispatch_of(cells);
  job.recipe.zero = zero_of(cells);
  job.recipe.sequence_parallel =
      is_true(cells, "sp") && job.layout.tensor > 1 ? SequenceParallel::on : SequenceParallel::off;
  job.recipe.software = software_of(cells);
  job.recipe.software.waits_for_kernels = is_true(cells, "launch_blocking");
  if (const std::string overlap = text_in(cells, "overlap"); !overlap.empty()) {
    row.overlap = overlap == "off" ? Overlap::off : Overlap::on;
  }
  row.covers =
      text_in(cells, "covers") == "forward_backward" ? Covers::forward_backward : Covers::step;
  return row;
}

HardwareSource hardware_of_row(const Cells& cells) {
  const std::string name = text_in(cells, "cluster");
  if (name.empty()) {
    throw InputError(
        "gpu", fmt::format("no cluster of the catalog stands for '{}'", text_in(cells, "gpu")));
  }
  HardwareSource hardware = read_hardware(name);
  Cluster& cluster = hardware.cluster;
  cluster.devices_per_node = count_in(cells, "devices_per_node").value_or(cluster.devices_per_node);
  if (cluster.devices_per_host > 0 && cluster.devices_per_node % cluster.devices_per_host != 0) {
    cluster.devices_per_host = 0;
  }
  if (const auto memory = quantity_in(cells, "device_memory", parse_bytes)) {
    cluster.device.memory = *memory;
  }
  if (const auto rate = quantity_in(cells, "device_memory_bandwidth", parse_rate)) {
    cluster.device.memory_bandwidth = *rate;
  }
  if (const auto limit = quantity_in(cells, "device_power", parse_power)) {
    limit_power(cluster.device, *limit);
  }
  if (const auto network = quantity_in(cells, "node_network", parse_rate)) {
    const BytesPerSecond share = *network / static_cast<double>(cluster.devices_per_node);
    cluster.levels.back().bandwidth = share;
    if (hardware.profile && !hardware.profile->levels.empty()) {
      hardware.profile->levels.back().bandwidth = share;
    }
  }
  return hardware;
}

}  // namespace forerun
