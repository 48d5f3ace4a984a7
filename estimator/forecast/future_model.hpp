// A model and a cluster of a later year, as files that `plan`, `estimate` and `capacity` read.
#pragma once

#include <cstdint>
#include <string>

namespace forerun {

/// What is asked of a future model beside its size.
struct FutureShape {
  std::int64_t context = 8192;
  std::int64_t experts = 0;  ///< of every layer; 0: dense
  std::int64_t top_k = 0;    ///< experts that work on a token
};

/// A decoder of about the asked size.
struct FutureModel {
  std::int64_t layers = 0;
  std::int64_t hidden = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t ffn_hidden = 0;
  std::int64_t vocabulary = 0;
  std::int64_t context = 0;
  std::int64_t experts = 0;  ///< 0: dense
  std::int64_t top_k = 0;
  std::int64_t expert_hidden = 0;
};

/// Llama's structure at a hidden size of 128 for each layer (GPT-3 12,288/96; Llama-3.1 405B
/// 16,384/126 = 130), FFN 3.25 times as wide, 16 queries a key-value head but at least 8 of these
/// (both as Llama-3.1 405B, arXiv 2407.21783), 128,256 tokens; hidden a multiple of 1,024, so that
/// 8 tensor ranks share the heads, and as many layers as come nearest to `parameters`, from 128 on
/// in steps that stages can share: the power of two that a 64th of them reaches. With experts
/// `parameters` are those that work on a token: the dense model's FFN is cut into `top_k` experts,
/// and there are `experts` of them in every layer (Mixtral's structure).
[[nodiscard]] FutureModel future_model(double parameters, const FutureShape& shape = {});

/// Hugging Face's config.json of it.
[[nodiscard]] std::string config_json(const FutureModel& model, const std::string& source);

/// Sequences a step: 16M tokens (Llama-3.1 405B's last, for 15.6T tokens), growing with the root of
/// the tokens of the run: critical batches are a power law of the data, independent of the model
/// (Zhang et al. 2024, arXiv 2410.21676; Bergsma et al. 2025, arXiv 2505.13738); that the exponent
/// is near a half is from memory. The nearest power of two times the odd factor of the devices, so
/// that replicas share it.
[[nodiscard]] std::int64_t batch_for(double tokens, std::int64_t context, std::int64_t devices);

/// A job file: the model's config beside it, bf16.
[[nodiscard]] std::string job_toml(const FutureModel& model,
                                   const std::string& config_name,
                                   double tokens,
                                   std::int64_t batch);

/// Of H100 SXM, October 2022.
inline constexpr double h100_year = 2022.79;

/// What a device of a year is extrapolated from and by (forecasting.md J.2): H100 SXM of October
/// 2022; peak 1.28 a year (Epoch), memory and its bandwidth double in 4.1 and 4.0 years, peak per
/// watt 1.34 a year (trends page of 2026), price per FLOP 1.30 a year.
struct FutureDevice {
  double year = 0.0;
  double bf16_flop_per_s = 0.0;
  double memory_bytes = 0.0;
  double bandwidth_bytes_per_s = 0.0;
  double power_w = 0.0;
  double usd_per_hour = 0.0;
  double network_bytes_per_s = 0.0;  ///< of its link to other nodes; assumed to grow as memory's
};

[[nodiscard]] FutureDevice future_device(double year);

/// Devices that do `training_flop` in `seconds` at a utilisation of 0.375 (the median of 58 runs in
/// Epoch's database), rounded up to whole nodes of 8 and to a number that layouts can share: a
/// sixteenth of a power of two more at most.
[[nodiscard]] std::int64_t devices_for(const FutureDevice& device,
                                       double training_flop,
                                       double seconds);

/// A cluster file of `devices` of them in nodes of 8. Links inside and between nodes grow as the
/// memory's bandwidth does from H100's 450 and 50 GB/s: an assumption, and named so in the file.
[[nodiscard]] std::string cluster_toml(const FutureDevice& device, std::int64_t devices);

}  // namespace forerun
