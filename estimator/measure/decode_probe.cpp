#include "estimator/measure/decode_probe.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "estimator/measure/statistics.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Clock = std::chrono::steady_clock;

// Operands of one op of the step, kept from one length of context to the next.
class OpPlace {
 public:
  OpPlace(const DecodePlace& place, const StepOp& op) : arena_(place.device) { prepare(place, op); }

  void prepare(const DecodePlace& place, const StepOp& op) {
    if (const auto* key = std::get_if<KernelKey>(&op)) {
      if (const auto refusal = place.device.refuses(*key)) {
        throw std::runtime_error("this device cannot run '" + text_of(*key) + "': " + *refusal);
      }
      operands_ = arena_.operands_for(*key);
      return;
    }
    const auto& key = std::get<CollectiveKey>(op);
    // An all-to-all of few tokens gives every rank one element at least.
    const auto bytes = std::max(static_cast<std::size_t>(key.bytes),
                                static_cast<std::size_t>(place.stage.size()) * sizeof(double));
    if (message_.bytes() < bytes) {
      message_ = DeviceBuffer(place.device, bytes);
      place.device.set_zero(message_.data(), bytes);
    }
  }

  void run(const DecodePlace& place, const StepOp& op) {
    if (const auto* key = std::get_if<KernelKey>(&op)) {
      place.device.run(*key, operands_, KernelScalars{});
      return;
    }
    const auto& key = std::get<CollectiveKey>(op);
    const auto elements = static_cast<std::int64_t>(static_cast<double>(key.bytes) /
                                                    size_of(key.type).in(unit::byte));
    if (key.op == Collective::all_reduce) {
      place.tensor.all_reduce(message_.data(), message_.data(), elements, key.type, ReduceOp::sum);
    } else if (key.op == Collective::all_gather) {
      const std::int64_t each = elements / place.tensor.size();
      auto* const own =
          static_cast<std::byte*>(message_.data()) +
          static_cast<std::ptrdiff_t>(static_cast<double>(each * place.tensor.rank()) *
                                      size_of(key.type).in(unit::byte));
      place.tensor.all_gather(own, message_.data(), each, key.type);
    } else if (key.op == Collective::all_to_all) {
      const std::int64_t each = std::max<std::int64_t>(1, elements / place.stage.size());
      place.stage.all_to_all(message_.data(), message_.data(), each, key.type);
    } else {
      throw std::runtime_error("no decode step runs '" + text_of(key) + "' here");
    }
  }

 private:
  OperandArena arena_;
  std::span<void* const> operands_;
  DeviceBuffer message_;
};

Seconds one_step(const DecodeStep& step,
                 std::vector<std::unique_ptr<OpPlace>>& ops,
                 const DecodePlace& place) {
  place.world.barrier();
  const auto start = Clock::now();
  for (std::size_t i = 0; i < step.ops.size(); ++i) {
    ops[i]->run(place, step.ops[i]);
  }
  place.device.synchronize();
  const std::chrono::duration<double> elapsed = Clock::now() - start;
  return elapsed.count() * unit::second;
}

// Over the ranks, by text: the world may carry device memory.
Seconds slowest(Communicator& world, Seconds mine) {
  Seconds most;
  for (const std::string& text : world.all_gather_text(std::to_string(mine.in(unit::nanosecond)))) {
    most = std::max(most, std::stod(text) * unit::nanosecond);
  }
  return most;
}

}  // namespace

std::vector<DecodeTiming> time_decode_steps(const std::vector<DecodeStep>& steps,
                                            const DecodePlace& place,
                                            int samples) {
  std::vector<std::unique_ptr<OpPlace>> ops;
  std::vector<DecodeTiming> timings;
  for (const DecodeStep& step : steps) {
    for (std::size_t i = 0; i < step.ops.size(); ++i) {
      if (i < ops.size()) {
        ops[i]->prepare(place, step.ops[i]);
      } else {
        ops.push_back(std::make_unique<OpPlace>(place, step.ops[i]));
      }
    }
    std::vector<Seconds> times;
    times.reserve(static_cast<std::size_t>(samples));
    (void)one_step(step, ops, place);
    for (int sample = 0; sample < samples; ++sample) {
      times.push_back(slowest(place.world, one_step(step, ops, place)));
    }
    timings.push_back({step.context, timing_of(std::move(times))});
  }
  return timings;
}

}  // namespace forerun
