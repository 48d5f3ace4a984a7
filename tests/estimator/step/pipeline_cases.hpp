// Pipelines for tests: equal stages, random shapes and random costs.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "estimator/step/pipeline_simulation.hpp"
#include "units/unit.hpp"

namespace forerun {

constexpr auto all_schedules = std::to_array<Schedule>({Schedule::gpipe,
                                                        Schedule::one_f_one_b,
                                                        Schedule::interleaved,
                                                        Schedule::breadth_first,
                                                        Schedule::zb_h1,
                                                        Schedule::zb_h2,
                                                        Schedule::zb_v,
                                                        Schedule::dualpipe,
                                                        Schedule::dualpipe_v});

// Forward, input and weight parts of one micro-batch in one stage, shared evenly by its chunks.
struct StageParts {
  double forward = 1.0;
  double input = 1.0;
  double weight = 1.0;
};

inline PipelineCosts equal_costs(const PipelineShape& shape,
                                 const StageParts& parts,
                                 double message = 0.0,
                                 Exchange exchange = Exchange::overlapped) {
  const double share = 1.0 / static_cast<double>(shape.chunks);
  PassCosts passes;
  passes.forward = share * parts.forward * unit::second;
  passes.backward_input = share * parts.input * unit::second;
  passes.backward_weight = share * parts.weight * unit::second;
  PipelineCosts costs;
  costs.passes.assign(static_cast<std::size_t>(shape.stages * shape.chunks), passes);
  costs.messages.assign(static_cast<std::size_t>(shape.stages), message * unit::second);
  costs.exchange = exchange;
  return costs;
}

// A shape that the schedule can run.
inline PipelineShape random_shape(Schedule schedule, std::mt19937& random) {
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
  };
  PipelineShape shape{between(1, 6), 1, between(1, 14)};
  switch (schedule) {
    case Schedule::interleaved:
      shape.chunks = between(2, 4);
      shape.micro_batches = between(shape.stages, 4 * shape.stages);
      break;
    case Schedule::breadth_first:
      shape.chunks = between(1, 4);
      break;
    case Schedule::zb_v:
      shape.chunks = 2;
      break;
    case Schedule::dualpipe:
      shape.stages = 2 * between(1, 4);
      shape.chunks = 2;
      shape.micro_batches = 2 * between(shape.stages, 2 * shape.stages);
      break;
    case Schedule::dualpipe_v:
      shape.chunks = 2;
      shape.micro_batches = between(2 * shape.stages, 4 * shape.stages);
      break;
    case Schedule::gpipe:
    case Schedule::one_f_one_b:
    case Schedule::zb_h1:
    case Schedule::zb_h2:
      break;
  }
  return shape;
}

inline PipelineCosts random_costs(const PipelineShape& shape,
                                  Exchange exchange,
                                  std::mt19937& random) {
  std::uniform_real_distribution<double> number(0.1, 3.0);
  std::uniform_real_distribution<double> fraction(0.0, 0.5);
  PipelineCosts costs;
  costs.exchange = exchange;
  for (std::int64_t i = 0; i < shape.stages * shape.chunks; ++i) {
    PassCosts passes;
    passes.forward = number(random) * unit::second;
    passes.recompute = number(random) * unit::second;
    passes.backward_input = number(random) * unit::second;
    passes.backward_weight = number(random) * unit::second;
    passes.forward_exchange = fraction(random) * passes.forward;
    passes.backward_exchange = fraction(random) * passes.backward_input;
    costs.passes.push_back(passes);
  }
  for (std::int64_t r = 0; r < shape.stages; ++r) {
    costs.messages.push_back(number(random) * unit::second);
  }
  return costs;
}

inline std::string described(Schedule schedule, const PipelineShape& shape) {
  return std::string(name_of(schedule)) + " p=" + std::to_string(shape.stages) +
         " v=" + std::to_string(shape.chunks) + " m=" + std::to_string(shape.micro_batches);
}

}  // namespace forerun
