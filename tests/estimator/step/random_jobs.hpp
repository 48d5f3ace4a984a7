// Random jobs that are legal and supported, and prices that any device could have.
#pragma once

#include <algorithm>
#include <array>
#include <random>
#include <string>

#include <fmt/format.h>

#include "estimator/step/step_time.hpp"
#include "kernels/kernel_cost.hpp"
#include "tests/estimator/step/pipeline_cases.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "units/unit.hpp"

namespace forerun {

struct Speeds {
  double flop_per_s = 1e12;
  double byte_per_s = 1e11;
  double wire_byte_per_s = 1e9;
};

// Kernels at a roofline, collectives at a fixed wire rate and latency.
inline PriceList prices_of(Speeds speeds) {
  return {[=](const KernelKey& key) {
            const double seconds =
                1e-7 + std::max(hardware_flops(key).in(unit::flop) / speeds.flop_per_s,
                                minimum_traffic(key).in(unit::byte) / speeds.byte_per_s);
            return Price{seconds * unit::second, Tier::measured, 0.01};
          },
          [=](const CollectiveKey& key) {
            const double seconds = 1e-6 + wire_bytes(key) / speeds.wire_byte_per_s;
            return Price{seconds * unit::second, Tier::fitted, 0.2};
          }};
}

class RandomJobs {
 public:
  explicit RandomJobs(unsigned seed) : random_(seed) {}

  // Legal and supported.
  Job next() {
    for (;;) {
      Job job = anything();
      if (!illegal_because(job) && !unsupported_because(job)) {
        return job;
      }
    }
  }

 private:
  template <typename T, std::size_t Count>
  T one_of(const std::array<T, Count>& choices) {
    return choices.at(std::uniform_int_distribution<std::size_t>(0, Count - 1)(random_));
  }

  Job anything() {
    constexpr auto degrees = std::to_array<std::int64_t>({1, 2, 4});
    Job job = one_of(std::to_array({0, 1})) == 0 ? small_llama({}, 8) : small_gpt2({}, 8);
    job.layout.tensor = one_of(degrees);
    job.layout.pipeline = one_of(degrees);
    job.layout.virtual_pipeline = one_of(std::to_array<std::int64_t>({1, 1, 2}));
    job.layout.context = one_of(std::to_array<std::int64_t>({1, 1, 2}));
    job.layout.data = one_of(degrees);
    job.recipe.global_batch = one_of(std::to_array<std::int64_t>({8, 16, 32}));
    job.recipe.micro_batch = one_of(std::to_array<std::int64_t>({1, 2}));
    job.recipe.zero = one_of(std::to_array(
        {ZeroStage::none, ZeroStage::optimizer, ZeroStage::gradients, ZeroStage::parameters}));
    job.recipe.recompute.kind = one_of(std::to_array({Recompute::none, Recompute::full}));
    job.recipe.schedule = one_of(all_schedules);
    job.recipe.tuning =
        one_of(std::to_array({Tuning::full, Tuning::full, Tuning::lora, Tuning::qlora}));
    job.recipe.adapters.rank = 2;
    job.recipe.sequence_parallel =
        one_of(std::to_array({SequenceParallel::off, SequenceParallel::on}));
    return job;
  }

  std::mt19937 random_;
};

inline std::string text_of(const Job& job) {
  const ParallelLayout& layout = job.layout;
  return fmt::format(
      "{} {} zero {} tp={} pp={} vp={} cp={} dp={} batch {} x {} recompute {} "
      "tuning {}",
      job.model.name,
      name_of(schedule_of(job)),
      static_cast<int>(job.recipe.zero),
      layout.tensor,
      layout.pipeline,
      layout.virtual_pipeline,
      layout.context,
      layout.data,
      job.recipe.global_batch,
      job.recipe.micro_batch,
      static_cast<int>(job.recipe.recompute.kind),
      name_of(job.recipe.tuning));
}

}  // namespace forerun
