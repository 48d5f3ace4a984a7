#include "estimator/measure/operand_arena.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <string_view>

#include <fmt/format.h>

#include "kernels/operands.hpp"
#include "units/bfloat16.hpp"
#include "units/quantity_text.hpp"
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
  const std::size_t bytes = element_bytes(operand.type);
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

bool is_nan_at(const std::vector<char>& bytes, std::size_t element, DataType type) {
  if (type == DataType::bf16) {
    std::uint16_t half = 0;
    std::memcpy(&half, bytes.data() + element * sizeof(half), sizeof(half));
    return std::isnan(float_from_bf16(half));
  }
  float value = 0.0F;
  std::memcpy(&value, bytes.data() + element * sizeof(value), sizeof(value));
  return std::isnan(value);
}

// Where in an operand NaN are looked for: windows at both ends and at even distances between.
std::vector<std::size_t> window_starts(std::size_t elements, std::size_t window) {
  constexpr std::size_t windows = 16;
  if (elements <= windows * window) {
    std::vector<std::size_t> all;
    for (std::size_t at = 0; at < elements; at += window) {
      all.push_back(at);
    }
    return all;
  }
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < windows; ++i) {
    starts.push_back((elements - window) * i / (windows - 1));
  }
  return starts;
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

void fill_operand(Device& device, void* memory, const KernelKey& key, const Operand& operand) {
  const std::size_t bytes = bytes_of(operand);
  const auto pattern = pattern_for(key, operand);
  for (std::size_t at = 0; at < bytes; at += pattern.size()) {
    device.copy_in(
        static_cast<char*>(memory) + at, pattern.data(), std::min(pattern.size(), bytes - at));
  }
}

void OperandArena::fill(Slot& slot,
                        const KernelKey& key,
                        const Operand& operand,
                        std::size_t bytes) {
  const std::string content = content_of(key, operand);
  if (slot.content == content && slot.filled >= bytes) {
    return;
  }
  fill_operand(device_, slot.buffer.data(), key, operand);
  slot.content = content;
  slot.filled = bytes;
}

// All bits set are NaN in every floating-point format here.
void OperandArena::poison(const Slot& slot, std::size_t bytes) {
  constexpr std::size_t piece = std::size_t{1} << 20;
  const std::vector<char> ones(std::min(bytes, piece), static_cast<char>(0xff));
  for (std::size_t at = 0; at < bytes; at += piece) {
    device_.copy_in(
        static_cast<char*>(slot.buffer.data()) + at, ones.data(), std::min(piece, bytes - at));
  }
}

std::string OperandArena::lacks_room(const KernelKey& key) const {
  const auto operands = operands_of(key);
  Bytes more = device_.scratch(key);
  Bytes held;  // by buffers that make way for larger ones
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const std::size_t bytes = bytes_of(operands[i]);
    const std::size_t present = i < slots_.size() ? slots_[i].buffer.bytes() : 0;
    if (present < bytes) {
      more += static_cast<double>(bytes) * unit::byte;
      held += static_cast<double>(present) * unit::byte;
    }
  }
  const Bytes room = device_.room() + held;
  return more <= room ? std::string()
                      : fmt::format("out of memory: needs {} more, {} are free",
                                    forerun::text_of(more),
                                    forerun::text_of(room));
}

std::span<void* const> OperandArena::operands_for(const KernelKey& key) {
  const auto operands = operands_of(key);
  slots_.resize(std::max(slots_.size(), operands.size()));
  pointers_.clear();
  for (std::size_t i = 0; i < operands.size(); ++i) {
    Slot& slot = slots_[i];
    const std::size_t bytes = bytes_of(operands[i]);
    if (slot.buffer.bytes() < bytes) {
      slot = {};
      slot.buffer = DeviceBuffer(device_, std::max<std::size_t>(bytes, 64));
    }
    if (operands[i].access != Access::write) {
      fill(slot, key, operands[i], bytes);
    }
    if (operands[i].access != Access::read) {
      slot.content.clear();  // The kernel is about to overwrite it.
    }
    if (operands[i].access == Access::write) {
      poison(slot, bytes);
    }
    pointers_.push_back(slot.buffer.data());
  }
  return pointers_;
}

std::string OperandArena::check_outputs(const KernelKey& key) {
  constexpr std::size_t window = 4096;
  const auto operands = operands_of(key);
  std::vector<char> bytes;
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const Operand& operand = operands[i];
    const bool is_checked = operand.type == DataType::fp32 || operand.type == DataType::bf16;
    if (operand.access == Access::read || !is_checked) {
      continue;
    }
    const std::size_t size = element_bytes(operand.type);
    const auto elements = static_cast<std::size_t>(operand.elements);
    for (const std::size_t start : window_starts(elements, window)) {
      const std::size_t count = std::min(window, elements - start);
      bytes.resize(count * size);
      device_.copy_out(bytes.data(),
                       static_cast<const char*>(slots_[i].buffer.data()) + start * size,
                       bytes.size());
      for (std::size_t at = 0; at < count; ++at) {
        if (is_nan_at(bytes, at, operand.type)) {
          return fmt::format("{}[{}] is NaN or was not written", operand.name, start + at);
        }
      }
    }
  }
  return {};
}

}  // namespace forerun
