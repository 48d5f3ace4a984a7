#include "estimator/forecast/future_model.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "units/integer.hpp"

namespace forerun {
namespace {

constexpr double aspect = 128.0;  // hidden size over layers
constexpr double ffn_ratio = 3.25;
constexpr std::int64_t head_size = 128;
constexpr std::int64_t hidden_step = 1024;
constexpr double utilisation = 0.375;
constexpr std::int64_t devices_per_node = 8;

std::int64_t power_of_two_below(std::int64_t number) {
  return static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(number)));
}

// Matrices of one layer: queries and output h^2 each, keys and values, three of the FFN.
double layer_parameters_of(const FutureModel& model) {
  const double h = real(model.hidden);
  return h * (2.0 * h + 2.0 * real(model.kv_heads * head_size) + 3.0 * real(model.ffn_hidden));
}

}  // namespace

FutureModel future_model(double parameters, const FutureShape& shape) {
  FutureModel model;
  // 2 h^2 + h^2 / 8 of attention and 9.75 h^2 of FFN a layer, h / 128 layers.
  const double per_layer = 2.0 + 2.0 / 16.0 + 3.0 * ffn_ratio;
  const double hidden = std::cbrt(aspect * parameters / per_layer);
  model.hidden = std::max<std::int64_t>(1, std::llround(hidden / real(hidden_step))) * hidden_step;
  model.heads = model.hidden / head_size;
  model.kv_heads = std::max<std::int64_t>(8, model.heads / 16);
  while (model.heads % model.kv_heads != 0) {
    ++model.kv_heads;
  }
  model.ffn_hidden = static_cast<std::int64_t>(ffn_ratio * real(model.hidden));
  model.vocabulary = 128'256;
  model.context = shape.context;
  const double edges = 2.0 * real(model.vocabulary * model.hidden);
  const auto layers =
      std::max<std::int64_t>(1, std::llround((parameters - edges) / layer_parameters_of(model)));
  // 0.8 % at most: 515 layers have no stages but 5 and 103.
  const std::int64_t step = power_of_two_below(std::max<std::int64_t>(1, layers / 64));
  model.layers = (layers + step / 2) / step * step;
  if (shape.experts > 0) {
    model.experts = shape.experts;
    model.top_k = shape.top_k;
    model.expert_hidden = std::max<std::int64_t>(1, model.ffn_hidden / shape.top_k);
  }
  return model;
}

std::string config_json(const FutureModel& model, const std::string& source) {
  const bool is_dense = model.experts == 0;
  nlohmann::ordered_json config{
      {"forerun_source", source},
      {"model_type", is_dense ? "llama" : "mixtral"},
      {"hidden_size", model.hidden},
      {"intermediate_size", is_dense ? model.ffn_hidden : model.expert_hidden},
      {"num_hidden_layers", model.layers},
      {"num_attention_heads", model.heads},
      {"num_key_value_heads", model.kv_heads},
      {"head_dim", head_size},
      {"hidden_act", "silu"},
      {"vocab_size", model.vocabulary},
      {"max_position_embeddings", model.context},
      {"tie_word_embeddings", false}};
  if (!is_dense) {
    config["num_local_experts"] = model.experts;
    config["num_experts_per_tok"] = model.top_k;
  }
  return config.dump(2) + "\n";
}

std::int64_t batch_for(double tokens, std::int64_t context, std::int64_t devices) {
  constexpr double base_batch = 16'777'216.0;  // Llama-3.1 405B's last, for 15.6T tokens
  constexpr double base_tokens = 15.6e12;
  const double wanted = base_batch * std::sqrt(std::max(1.0, tokens / base_tokens)) / real(context);
  const std::int64_t odd = devices >> std::countr_zero(static_cast<std::uint64_t>(devices));
  const double doublings = std::max(0.0, std::round(std::log2(wanted / real(odd))));
  return odd << static_cast<int>(doublings);
}

std::string job_toml(const FutureModel& model,
                     const std::string& config_name,
                     double tokens,
                     std::int64_t batch) {
  return fmt::format(
      "# Written by forerun forecast --emit-job.\n"
      "model = \"{}\"\n"
      "batch = {}\n"
      "seq = {}\n"
      "precision = \"bf16\"\n"
      "tokens = \"{:.4g}T\"\n",
      config_name,
      batch,
      model.context,
      tokens / 1e12);
}

FutureDevice future_device(double year) {
  const double years = year - h100_year;
  FutureDevice device;
  device.year = year;
  device.bf16_flop_per_s = 989e12 * std::pow(1.28, years);
  device.memory_bytes = 80.0 * 1024.0 * 1024.0 * 1024.0 * std::exp2(years / 4.1);
  device.bandwidth_bytes_per_s = 3350e9 * std::exp2(years / 4.0);
  device.network_bytes_per_s = 50e9 * std::exp2(years / 4.0);
  device.power_w = 700.0 * std::pow(1.28 / 1.34, years);
  // 2 USD an hour for an H100 in 2026 (compute-to-agents repository).
  device.usd_per_hour = 2.0 * std::pow(1.28, years) / std::pow(1.30, year - 2026.0);
  return device;
}

std::int64_t devices_for(const FutureDevice& device, double training_flop, double seconds) {
  const double devices = training_flop / (utilisation * device.bf16_flop_per_s * seconds);
  const auto least = static_cast<std::int64_t>(std::ceil(devices));
  const std::int64_t step =
      std::max(devices_per_node, power_of_two_below(std::max<std::int64_t>(1, least / 16)));
  return ceil_div(least, step) * step;
}

// NOLINTNEXTLINE(readability-function-size): one line of TOML after the other
std::string cluster_toml(const FutureDevice& device, std::int64_t devices) {
  const double growth = std::exp2((device.year - h100_year) / 4.0);
  const std::string source = fmt::format(
      "Extrapolated from H100 SXM (October 2022) to {:.1f}: peak 1.28 a year, memory x 2 in 4.1 "
      "years, its bandwidth x 2 in 4.0, peak per watt 1.34 a year (Epoch AI, trends as of 2026)",
      device.year);
  const double tera = device.bf16_flop_per_s / 1e12;
  return fmt::format(
             "# Written by forerun forecast --emit-cluster.\n"
             "name = \"devices-of-{:.0f}\"\n"
             "devices_per_node = {}\n"
             "max_devices = {}\n"
             "source = \"{}\"\n\n"
             "[device]\n"
             "name = \"device of {:.0f}\"\n"
             "memory = \"{:.4g} GB\"\n"
             "memory_bandwidth = \"{:.4g} GB/s\"\n"
             "power = \"{:.4g} W\"\n"
             "source = \"{}\"\n\n"
             "[device.peak]\n"
             "bf16 = \"{:.5g} TFLOP/s\"\n"
             "fp16 = \"{:.5g} TFLOP/s\"\n"
             "fp8_e4m3 = \"{:.5g} TFLOP/s\"\n\n"
             "[[level]]\n"
             "name = \"node\"\n"
             "devices = {}\n"
             "bandwidth = \"{:.4g} GB/s\"\n"
             "latency = \"2.1 us\"\n"
             "efficiency = 0.816\n"
             "source = \"Assumed: H100's NVLink, grown as memory bandwidth; latency and efficiency "
             "as "
             "H100's\"\n\n",
             device.year,
             devices_per_node,
             devices,
             source,
             device.year,
             device.memory_bytes / 1e9,
             device.bandwidth_bytes_per_s / 1e9,
             device.power_w,
             source,
             tera,
             tera,
             2.0 * tera,
             devices_per_node,
             450.0 * growth) +
         fmt::format(
             "[[level]]\n"
             "name = \"network\"\n"
             "devices = {}\n"
             "bandwidth = \"{:.4g} GB/s\"\n"
             "latency = \"14 us\"\n"
             "efficiency = 0.96\n"
             "source = \"Assumed: 400 Gb/s a device, grown as memory bandwidth; latency and "
             "efficiency "
             "as H100's InfiniBand\"\n\n"
             "[economics]\n"
             "price_per_device_hour = {:.4g}\n"
             "currency = \"USD\"\n"
             "date = \"{:.0f}\"\n"
             "source = \"Extrapolated from 2 USD an hour for H100 in 2026, price per FLOP 1.30 a "
             "year "
             "(Epoch AI)\"\n\n"
             "[power]\n"
             "server_per_device = 1.821\n"
             "pue = 1.1\n"
             "source = \"As DGX H100 (Cottier et al. 2024)\"\n",
             devices,
             50.0 * growth,
             device.usd_per_hour,
             device.year);
}

}  // namespace forerun
