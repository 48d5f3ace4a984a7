#include "estimator/measure/overlap_probe.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <stdexcept>

#include "estimator/measure/collective_sizes.hpp"
#include "estimator/measure/collective_trial.hpp"
#include "estimator/measure/complaint.hpp"
#include "estimator/measure/statistics.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int repetitions = 5;
// Thread blocks of an all-gather by NCCL on one node of H100 (modelling.md 2.6).
constexpr std::int64_t emulated_blocks = 24;
constexpr double most_kernels = 10'000;

// Small kernels, so that their repetition can be as long as any collective.
std::vector<std::pair<OverlapCompute, KernelKey>> kernels_beside(bool is_host) {
  const DataType type = is_host ? DataType::fp32 : DataType::bf16;
  const std::int64_t n = is_host ? 192 : 2048;
  const std::int64_t rows = is_host ? 256 : 8192;
  KernelKey gemm;
  gemm.op = KernelOp::gemm;
  gemm.type = type;
  gemm.shape = GemmShape{.m = n, .n = n, .k = n};
  KernelKey attention;
  attention.op = KernelOp::attention_forward;
  attention.type = type;
  attention.shape = AttentionKeyShape{.batch = 1,
                                      .length = is_host ? 128 : 2048,
                                      .heads = is_host ? 4 : 16,
                                      .kv_heads = is_host ? 4 : 16,
                                      .head_size = 64};
  KernelKey memory;
  memory.op = KernelOp::add;
  memory.type = type;
  memory.shape = RowsShape{.rows = rows, .columns = is_host ? 1024 : 8192};
  return {{OverlapCompute::gemm, gemm},
          {OverlapCompute::attention, attention},
          {OverlapCompute::memory, memory}};
}

class Pair {
 public:
  Pair(const CollectivePlace& place,
       OperandArena& arena,
       Communicator& group,
       const OverlapPair& pair)
      : place_(place),
        kernel_(pair.kernel),
        operands_(arena.operands_for(pair.kernel)),
        bytes_(static_cast<std::size_t>(pair.collective.bytes)) {
    if (group.size() > 1) {
      trial_.emplace(place.device, group, pair.collective);
    }
  }

  void warm_up() {
    compute(1);
    communicate();
  }

  OverlapPoint measure(const OverlapPair& pair) {
    OverlapPoint point;
    point.compute = pair.compute;
    point.op = pair.collective.op;
    point.bytes = pair.collective.bytes;
    point.is_emulated = !trial_;
    point.collective_alone = median([&] { return elapsed([&] { communicate(); }); });
    const Seconds one = median([&] { return elapsed([&] { compute(1); }); });
    const int count =
        static_cast<int>(std::clamp(std::round(point.collective_alone / one), 1.0, most_kernels));
    point.compute_alone = median([&] { return elapsed([&] { compute(count); }); });
    std::vector<Seconds> beside;
    std::vector<Seconds> both;
    for (int i = 0; i < repetitions; ++i) {
      Seconds until_computed;
      const Seconds all = elapsed([&] {
        const auto begin = Clock::now();
        start();
        compute(count);
        until_computed = since(begin);
        finish();
      });
      beside.push_back(until_computed);
      both.push_back(all);
    }
    point.compute_beside = slowest(timing_of(std::move(beside)).median);
    point.both = slowest(timing_of(std::move(both)).median);
    return point;
  }

 private:
  static Seconds since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count() * unit::second;
  }

  // The device's stream is done when this returns; a collective may still be in flight.
  void compute(int count) {
    for (int i = 0; i < count; ++i) {
      place_.device.run(kernel_, operands_, KernelScalars{});
    }
    place_.device.synchronize();
  }

  // One rank has nobody to talk to: a copy then takes what a collective's kernel would.
  void start() {
    if (trial_) {
      trial_->start();
    } else if (!place_.device.start_pressure(emulated_blocks, bytes_)) {
      throw std::runtime_error("one rank has nobody to talk to, and its device emulates no other");
    }
  }

  void finish() {
    if (trial_) {
      trial_->finish();
      place_.device.synchronize();
    } else {
      place_.device.finish_pressure();
    }
  }

  void communicate() {
    start();
    finish();
  }

  template <typename Work>
  Seconds elapsed(Work work) {
    place_.host_world.barrier();
    const auto start = Clock::now();
    work();
    return since(start);
  }

  template <typename Sample>
  Seconds median(Sample sample) {
    std::vector<Seconds> samples;
    samples.reserve(repetitions);
    for (int i = 0; i < repetitions; ++i) {
      samples.push_back(sample());
    }
    return slowest(timing_of(std::move(samples)).median);
  }

  Seconds slowest(Seconds mine) {
    auto seconds = static_cast<float>(mine.in(unit::second));
    place_.host_world.all_reduce(&seconds, &seconds, 1, DataType::fp32, ReduceOp::max);
    return static_cast<double>(seconds) * unit::second;
  }

  const CollectivePlace& place_;
  KernelKey kernel_;
  std::span<void* const> operands_;
  std::size_t bytes_;
  std::optional<CollectiveTrial> trial_;  ///< none: emulated
};

}  // namespace

std::vector<OverlapPair> overlap_pairs(const GroupShape& world, bool is_host) {
  constexpr std::array<std::int64_t, 3> host_sizes{1 << 16, 1 << 20, 1 << 23};
  constexpr std::array<std::int64_t, 3> gpu_sizes{1 << 20, 1 << 24, 1 << 28};
  std::vector<OverlapPair> pairs;
  for (const auto& [compute, kernel] : kernels_beside(is_host)) {
    for (const Collective op : {Collective::all_gather,
                                Collective::reduce_scatter,
                                Collective::all_reduce,
                                Collective::all_to_all,
                                Collective::send_recv}) {
      for (const std::int64_t bytes : is_host ? host_sizes : gpu_sizes) {
        pairs.push_back(
            {compute, kernel, {op, whole_granules(bytes, 4 * world.ranks), kernel.type, world}});
      }
    }
  }
  return pairs;
}

std::variant<OverlapPoint, std::string> probe_overlap(const CollectivePlace& place,
                                                      OperandArena& arena,
                                                      Communicator& group,
                                                      const OverlapPair& pair) {
  std::optional<Pair> together;
  const auto on_all_ranks = [&](auto work) {
    return first_complaint(place.host_world, complaint_of(work));
  };
  std::string complaint = on_all_ranks([&]() -> std::string {
    if (const auto refusal = place.device.refuses(pair.kernel)) {
      return *refusal;
    }
    together.emplace(place, arena, group, pair);
    return {};
  });
  if (complaint.empty()) {
    complaint = on_all_ranks([&] {
      together->warm_up();
      return std::string();
    });
  }
  if (!complaint.empty()) {
    return complaint;
  }
  return together->measure(pair);
}

}  // namespace forerun
