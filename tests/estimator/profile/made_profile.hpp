// A profile whose kernels and links follow known laws, so that prices can be worked out by hand.
#pragma once

#include "estimator/profile/profile.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {

inline Timing exactly(Seconds time) {
  return {time, time * 0.99, time * 1.01, time * 0.98, time * 1.02, 20, 0.0};
}

inline KernelKey gemm_key(std::int64_t m, std::int64_t n = 1024, std::int64_t k = 1024) {
  return {KernelOp::gemm, DataType::fp32, GemmShape{m, n, k, GemmLayout::nt, GemmOutput::store}};
}

inline CollectiveKey all_reduce_key(std::int64_t bytes, std::int64_t ranks = 2) {
  return {Collective::all_reduce, bytes, DataType::fp32, {ranks, ranks, 1}};
}

/// GEMM at 100 GFLOP/s; all-reduce over two ranks at 2 x 5 us + bytes / (10 GB/s).
inline Profile made_profile() {
  Profile profile;
  profile.path = "made.json";
  profile.date = "2026-01-01T00:00:00Z";
  profile.device = {
      "host", "a CPU", 4, 16.0 * unit::gibibyte, 32.0 * unit::mebibyte, {{"onednn", "2.6.3"}}, ""};
  profile.node.host = "n0";
  profile.hosts = {"n0", "n0"};
  profile.ranks = 2;
  profile.ranks_per_node = 2;
  profile.jobs = {{"gpt2", "tp=2", "fp32", 1, 256}};
  for (const std::int64_t m : {256, 512, 2048}) {
    const KernelKey key = gemm_key(m);
    profile.kernels.push_back(
        {key, exactly(hardware_flops(key) / (1e11 * unit::flop / unit::second))});
  }
  for (const std::int64_t bytes : {4096, 65536, 1048576, 16777216}) {
    const CollectiveKey key = all_reduce_key(bytes);
    profile.collectives.push_back(
        {key, exactly((1e-5 + static_cast<double>(bytes) / 1e10) * unit::second)});
  }
  fit_levels(profile);
  return profile;
}

}  // namespace forerun
