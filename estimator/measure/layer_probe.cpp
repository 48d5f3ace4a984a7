#include "estimator/measure/layer_probe.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include "estimator/measure/complaint.hpp"
#include "estimator/measure/operand_arena.hpp"
#include "estimator/measure/statistics.hpp"
#include "estimator/step/part_work.hpp"
#include "kernels/operands.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Clock = std::chrono::steady_clock;

// Enough for a median, and no longer than a single key may take (modelling.md 10.3).
constexpr int most_runs = 15;
constexpr int least_runs = 3;
constexpr Seconds most_time = 4.0 * unit::second;

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
    return std::chrono::duration<double>(Clock::now() - start).count() * unit::second;
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

}  // namespace

std::variant<LayerChain, std::string> probe_layer(const Machine& machine,
                                                  const Job& job,
                                                  const Placement& placement,
                                                  const std::atomic<bool>* stop) {
  const WorkBuilder builder(job, placement);
  const PartWork layer = part_work(job, builder, PartKind::layer, job.model.layers - 1);
  std::optional<Chain> chain;
  const std::string complaint = first_complaint(machine.host_world, complaint_of([&] {
                                                  chain.emplace(machine.device, layer);
                                                  static_cast<void>(chain->run());
                                                  return std::string();
                                                }));
  if (!complaint.empty()) {
    return complaint;
  }
  std::vector<Seconds> samples;
  const auto start = Clock::now();
  const auto elapsed = [&] {
    return std::chrono::duration<double>(Clock::now() - start).count() * unit::second;
  };
  bool wants_more = true;
  while (wants_more) {
    machine.host_world.barrier();
    samples.push_back(static_cast<double>(slowest(
                          machine.host_world, static_cast<float>(chain->run().in(unit::second)))) *
                      unit::second);
    const auto count = static_cast<int>(samples.size());
    const bool is_enough = count >= most_runs || (count >= least_runs && elapsed() > most_time) ||
                           (stop != nullptr && *stop);
    wants_more = slowest(machine.host_world, is_enough ? 1.0F : 0.0F) == 0.0F;
  }
  return LayerChain{timing_of(std::move(samples)).median, chain->kernels()};
}

}  // namespace forerun
