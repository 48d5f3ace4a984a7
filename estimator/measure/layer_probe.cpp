#include "estimator/measure/layer_probe.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "estimator/measure/complaint.hpp"
#include "estimator/measure/operand_arena.hpp"
#include "estimator/measure/statistics.hpp"
#include "estimator/step/part_work.hpp"
#include "kernels/operands.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Clock = std::chrono::steady_clock;

// Enough for a median, and no longer than a single key may take (modelling.md 10.3).
constexpr int most_runs = 15;
constexpr int least_runs = 3;
constexpr Seconds most_time = 4.0 * unit::second;

// Of a chain for noise: for a median, and no more than is sent around in a moment.
constexpr int least_repeats = 8;
constexpr int most_repeats = 512;

Seconds since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count() * unit::second;
}

class Chain {
 public:
  Chain(Device& device, const PartWork& layer) : device_(device) {
    add(layer.forward);
    add(layer.backward);
    for (Link& link : links_) {
      for (const TensorId id : link.ids) {
        link.operands.push_back(buffers_.at(id).data());
      }
    }
  }

  [[nodiscard]] std::vector<KernelKey> kernels() const {
    std::vector<KernelKey> keys;
    for (const Link& link : links_) {
      keys.push_back(link.key);
    }
    return keys;
  }

  Seconds run() {
    device_.synchronize();
    const auto start = Clock::now();
    for (const Link& link : links_) {
      device_.run(link.key, link.operands, KernelScalars{});
    }
    device_.synchronize();
    return since(start);
  }

  // Each kernel by itself.
  void run(std::vector<Seconds>& times) {
    auto start = Clock::now();
    for (const Link& link : links_) {
      device_.run(link.key, link.operands, KernelScalars{});
      device_.synchronize();
      times.push_back(since(start));
      start = Clock::now();
    }
  }

 private:
  struct Link {
    KernelKey key;
    std::vector<TensorId> ids;
    std::vector<void*> operands;
  };

  void add(const std::vector<WorkItem>& items) {
    for (const WorkItem& item : items) {
      const auto* const kernel = std::get_if<KernelWork>(&item.work);
      if (kernel == nullptr) {
        continue;
      }
      const auto operands = operands_of(kernel->key);
      for (std::size_t i = 0; i < operands.size(); ++i) {
        add_buffer(kernel->operands[i], kernel->key, operands[i]);
      }
      links_.push_back({kernel->key, kernel->operands, {}});
    }
  }

  // A tensor that several kernels touch is as large as the largest of them takes it for.
  void add_buffer(TensorId id, const KernelKey& key, const Operand& operand) {
    DeviceBuffer& buffer = buffers_[id];
    if (buffer.bytes() < bytes_of(operand)) {
      buffer = DeviceBuffer();
      buffer = DeviceBuffer(device_, bytes_of(operand));
      fill_operand(device_, buffer.data(), key, operand);
    }
  }

  Device& device_;
  std::map<TensorId, DeviceBuffer> buffers_;
  std::vector<Link> links_;
};

float slowest(Communicator& world, float mine) {
  world.all_reduce(&mine, &mine, 1, DataType::fp32, ReduceOp::max);
  return mine;
}

// Why it cannot run, on all ranks alike; empty where it can.
std::string build(const Machine& machine,
                  const Job& job,
                  const Placement& placement,
                  std::optional<Chain>& chain) {
  const WorkBuilder builder(job, placement);
  const PartWork layer = part_work(job, builder, PartKind::layer, job.model.layers - 1);
  return first_complaint(machine.host_world, complaint_of([&] {
                           chain.emplace(machine.device, layer);
                           static_cast<void>(chain->run());
                           return std::string();
                         }));
}

KernelTimes gathered(Communicator& world, const std::vector<Seconds>& mine) {
  std::vector<float> sent;
  sent.reserve(mine.size());
  for (const Seconds time : mine) {
    sent.push_back(static_cast<float>(time.in(unit::second)));
  }
  std::vector<float> all(sent.size() * static_cast<std::size_t>(world.size()));
  world.all_gather(sent.data(), all.data(), std::ssize(sent), DataType::fp32);
  KernelTimes times(static_cast<std::size_t>(world.size()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    times[i / sent.size()].push_back(static_cast<double>(all[i]) * unit::second);
  }
  return times;
}

}  // namespace

std::variant<LayerChain, std::string> probe_layer(const Machine& machine,
                                                  const Job& job,
                                                  const Placement& placement,
                                                  const std::atomic<bool>* stop) {
  std::optional<Chain> chain;
  if (std::string complaint = build(machine, job, placement, chain); !complaint.empty()) {
    return complaint;
  }
  std::vector<Seconds> samples;
  const auto start = Clock::now();
  bool wants_more = true;
  while (wants_more) {
    machine.host_world.barrier();
    samples.push_back(static_cast<double>(slowest(
                          machine.host_world, static_cast<float>(chain->run().in(unit::second)))) *
                      unit::second);
    const auto count = static_cast<int>(samples.size());
    const bool is_enough = count >= most_runs ||
                           (count >= least_runs && since(start) > most_time) ||
                           (stop != nullptr && *stop);
    wants_more = slowest(machine.host_world, is_enough ? 1.0F : 0.0F) == 0.0F;
  }
  return LayerChain{timing_of(std::move(samples)).median, chain->kernels()};
}

std::variant<RepeatedLayer, std::string> repeat_layer(const Machine& machine,
                                                      const Job& job,
                                                      const Placement& placement,
                                                      Seconds time) {
  std::optional<Chain> chain;
  if (std::string complaint = build(machine, job, placement, chain); !complaint.empty()) {
    return complaint;
  }
  machine.host_world.barrier();
  const double once_s = static_cast<double>(
      slowest(machine.host_world, static_cast<float>(chain->run().in(unit::second))));
  const double wanted = std::min(static_cast<double>(most_repeats), time.in(unit::second) / once_s);
  // A power of two, so that pieces measured one after the other are alike.
  const auto repeats = static_cast<int>(std::bit_floor(static_cast<unsigned>(wanted)));
  if (repeats < least_repeats) {
    return fmt::format(
        "a layer of {} s is too long for {} runs in {}", once_s, least_repeats, text_of(time));
  }
  std::vector<Seconds> mine;
  machine.host_world.barrier();
  for (int repeat = 0; repeat < repeats; ++repeat) {
    chain->run(mine);
  }
  return RepeatedLayer{gathered(machine.host_world, mine), chain->kernels().size()};
}

}  // namespace forerun
