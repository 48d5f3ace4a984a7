#include "estimator/measure/kernel_probe.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <string_view>

#include <fmt/format.h>

#include "estimator/measure/statistics.hpp"
#include "units/bfloat16.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr std::size_t pattern_elements = std::size_t{1} << 18;
constexpr std::uint32_t pattern_seed = 20240229;

// Saved statistics must look like ones: positive and well away from zero, or exponentials overflow
// and denormals slow the kernel down.
bool is_statistic(std::string_view name) {
  constexpr std::array names{std::string_view("rstd"),
                             std::string_view("stats"),
                             std::string_view("lse"),
                             std::string_view("row_max"),
                             std::string_view("sums"),
                             std::string_view("v")};
  return std::ranges::find(names, name) != names.end();
}

std::vector<char> index_pattern(const KernelKey& key, const Operand& operand) {
  const auto indices = sample_indices(key, operand.name, pattern_seed);
  std::vector<char> pattern(indices.size() * sizeof(indices.front()));
  std::memcpy(pattern.data(), indices.data(), pattern.size());
  return pattern;
}

// Random normal values (never zeros: they draw less power and run faster), repeated over the
// operand.
std::vector<char> pattern_for(const KernelKey& key, const Operand& operand) {
  if (operand.type == DataType::int32) {
    return index_pattern(key, operand);
  }
  const auto bytes = static_cast<std::size_t>(size_of(operand.type).in(unit::byte));
  const std::size_t count = std::min(
      pattern_elements, static_cast<std::size_t>(std::max<std::int64_t>(1, operand.elements)));
  std::mt19937 random(pattern_seed);
  std::vector<char> pattern(count * bytes);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> positive(1.0F, 5.0F);
  for (std::size_t i = 0; i < count; ++i) {
    char* const at = pattern.data() + i * bytes;
    const float value = is_statistic(operand.name) ? positive(random) : normal(random);
    if (bytes == 2) {
      const std::uint16_t half = bf16_from_float(value);
      std::memcpy(at, &half, bytes);
    } else {
      std::memcpy(at, &value, bytes);
    }
  }
  return pattern;
}

// True on all ranks if it is on any.
bool any_rank(Communicator& world, bool here) {
  float flag = here ? 1.0F : 0.0F;
  world.all_reduce(&flag, &flag, 1, DataType::fp32, ReduceOp::max);
  return flag > 0.0F;
}

Timing slowest_of(Communicator& world, const Timing& mine) {
  const auto texts = world.all_gather_text(fmt::format("{} {} {} {} {} {}",
                                                       mine.median.in(unit::second),
                                                       mine.low.in(unit::second),
                                                       mine.high.in(unit::second),
                                                       mine.least.in(unit::second),
                                                       mine.p95.in(unit::second),
                                                       mine.samples));
  Timing slowest;
  Seconds fastest = Seconds::infinite();
  for (const std::string& text : texts) {
    std::array<double, 5> values{};
    long long samples = 0;
    if (std::sscanf(text.c_str(),
                    "%lf %lf %lf %lf %lf %lld",
                    values.data(),
                    &values[1],
                    &values[2],
                    &values[3],
                    &values[4],
                    &samples) != 6) {
      continue;
    }
    const Timing timing{values[0] * unit::second,
                        values[1] * unit::second,
                        values[2] * unit::second,
                        values[3] * unit::second,
                        values[4] * unit::second,
                        samples,
                        0.0};
    fastest = std::min(fastest, timing.median);
    if (timing.median > slowest.median) {
      slowest = timing;
    }
  }
  slowest.rank_spread = (slowest.median - fastest) / slowest.median;
  return slowest;
}

// Two operands with the same content can take each other's place.
std::string content_of(const KernelKey& key, const Operand& operand) {
  if (operand.type == DataType::int32) {
    return text_of(key) + std::string(operand.name);
  }
  return fmt::format(
      "{} {}", name_of(operand.type), is_statistic(operand.name) ? "positive" : "normal");
}

}  // namespace

void OperandArena::fill(Slot& slot,
                        const KernelKey& key,
                        const Operand& operand,
                        std::size_t bytes) {
  const std::string content = content_of(key, operand);
  if (slot.content == content && slot.filled >= bytes) {
    return;
  }
  const auto pattern = pattern_for(key, operand);
  for (std::size_t at = 0; at < bytes; at += pattern.size()) {
    device_.copy_in(static_cast<char*>(slot.buffer.data()) + at,
                    pattern.data(),
                    std::min(pattern.size(), bytes - at));
  }
  slot.content = content;
  slot.filled = bytes;
}

std::span<void* const> OperandArena::operands_for(const KernelKey& key) {
  const auto operands = operands_of(key);
  slots_.resize(std::max(slots_.size(), operands.size()));
  pointers_.clear();
  for (std::size_t i = 0; i < operands.size(); ++i) {
    Slot& slot = slots_[i];
    const auto bytes = static_cast<std::size_t>(static_cast<double>(operands[i].elements) *
                                                size_of(operands[i].type).in(unit::byte));
    if (slot.buffer.bytes() < bytes) {
      slot = {};
      slot.buffer = DeviceBuffer(device_, std::max<std::size_t>(bytes, 64));
    }
    fill(slot, key, operands[i], bytes);
    if (operands[i].access != Access::read) {
      slot.content.clear();  // The kernel is about to overwrite it.
    }
    pointers_.push_back(slot.buffer.data());
  }
  return pointers_;
}

Timing probe_kernel(const ProbePlace& place, const KernelKey& key, const ProbeLimits& limits) {
  using Clock = std::chrono::steady_clock;
  const auto& [device, world, arena] = place;
  const auto operands = arena.operands_for(key);
  const KernelScalars scalars;
  device.run(key, operands, scalars);
  device.synchronize();
  world.barrier();

  const auto start = Clock::now();
  std::vector<Seconds> samples;
  int batch = 3;
  bool goes_on = true;
  while (goes_on) {
    const auto more = device.time_runs(key, operands, batch, CacheState::cold);
    samples.insert(samples.end(), more.begin(), more.end());
    const double spent = std::chrono::duration<double>(Clock::now() - start).count();
    const double next = spent * (1.0 + 5.0 / static_cast<double>(samples.size()));
    batch = 5;
    goes_on =
        any_rank(world,
                 !is_settled(samples, limits.tolerance) && next < limits.time.in(unit::second) &&
                     std::ssize(samples) < limits.samples);
  }
  return slowest_of(world, timing_of(std::move(samples)));
}

}  // namespace forerun
