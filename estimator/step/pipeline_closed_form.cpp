#include "estimator/step/pipeline_closed_form.hpp"

#include <algorithm>

namespace forerun {
namespace {

Seconds message_after(const PipelineCosts& costs, std::int64_t stage) {
  return costs.messages.empty() ? Seconds() : costs.messages[static_cast<std::size_t>(stage)];
}

// A flow shop of m equal jobs: what it takes is one job through all machines and m - 1 times the
// slowest.
struct FlowShop {
  Seconds through;
  Seconds slowest;

  void add(Seconds machine) {
    through += machine;
    slowest = std::max(slowest, machine);
  }

  [[nodiscard]] Seconds total(std::int64_t jobs) const {
    return through + static_cast<double>(jobs - 1) * slowest;
  }
};

// A blocking receiver works on the message; an overlapped message is a machine of its own.
Seconds all_forward_all_backward(const PipelineShape& shape, const PipelineCosts& costs) {
  const bool is_blocking = costs.exchange == Exchange::blocking;
  FlowShop forward;
  FlowShop backward;
  for (std::int64_t stage = 0; stage < shape.stages; ++stage) {
    const PassCosts& passes = costs.passes[static_cast<std::size_t>(stage)];
    const Seconds before = stage > 0 ? message_after(costs, stage - 1) : Seconds();
    const Seconds after = stage + 1 < shape.stages ? message_after(costs, stage) : Seconds();
    if (is_blocking) {
      forward.add(before + passes.forward);
      backward.add(after + duration_of(passes, Pass::backward));
    } else {
      forward.add(before);
      forward.add(passes.forward);
      backward.add(after);
      backward.add(duration_of(passes, Pass::backward));
    }
  }
  return forward.total(shape.micro_batches) + backward.total(shape.micro_batches);
}

bool are_equal(const PipelineCosts& costs) {
  const PassCosts& first = costs.passes.front();
  return std::ranges::all_of(costs.passes, [&](const PassCosts& passes) {
    return passes.forward == first.forward &&
           duration_of(passes, Pass::backward) == duration_of(first, Pass::backward);
  });
}

bool are_free(const PipelineCosts& costs) {
  return std::ranges::all_of(costs.messages, [](Seconds message) { return message == Seconds(); });
}

std::optional<Seconds> plain(const PipelineShape& shape, const PipelineCosts& costs) {
  const Seconds message = message_after(costs, 0);
  const Seconds forward = costs.passes.front().forward;
  const Seconds backward = duration_of(costs.passes.front(), Pass::backward);
  const std::int64_t p = shape.stages;
  const std::int64_t m = shape.micro_batches;
  bool fits = are_equal(costs) && message <= forward && message <= backward &&
              (costs.exchange == Exchange::overlapped || are_free(costs));
  for (std::int64_t stage = 0; stage + 1 < p; ++stage) {
    fits = fits && message_after(costs, stage) == message;
  }
  if (!fits) {
    return std::nullopt;
  }
  const Seconds work = static_cast<double>(m + p - 1) * (forward + backward);
  const std::int64_t turns = (m - 1 + p - 1) / p;
  const std::int64_t hops = p > 1 ? 2 * (p - 1 + m - 1 - turns) : 0;
  return work + static_cast<double>(hops) * message;
}

std::optional<Seconds> in_chunks(const PipelineShape& shape, const PipelineCosts& costs) {
  if (!are_equal(costs) || !are_free(costs)) {
    return std::nullopt;
  }
  const Seconds chunk =
      costs.passes.front().forward + duration_of(costs.passes.front(), Pass::backward);
  return static_cast<double>(shape.micro_batches * shape.chunks + shape.stages - 1) * chunk;
}

}  // namespace

std::optional<Seconds> closed_makespan(Schedule schedule,
                                       const PipelineShape& shape,
                                       const PipelineCosts& costs) {
  switch (schedule) {
    case Schedule::gpipe:
      return all_forward_all_backward(shape, costs);
    case Schedule::one_f_one_b:
      return plain(shape, costs);
    case Schedule::breadth_first:
      if (shape.chunks == 1) {
        return all_forward_all_backward(shape, costs);
      }
      return shape.micro_batches >= shape.stages ? in_chunks(shape, costs) : std::nullopt;
    case Schedule::interleaved:
      return shape.micro_batches % shape.stages == 0 ? in_chunks(shape, costs) : std::nullopt;
    case Schedule::zb_h1:
    case Schedule::zb_h2:
    case Schedule::zb_v:
    case Schedule::dualpipe:
    case Schedule::dualpipe_v:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace forerun
