// Random operands, conversion to and from storage, comparison with the reference.
#include "tests/kernels/kernel_check.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include <gtest/gtest.h>

#include "tests/kernels/fp8.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

std::uint16_t bf16_bits(double value) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(value));
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U);
}

double from_bf16(std::uint16_t bits) {
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U));
}

template <class Stored>
void put(std::vector<std::byte>& bytes, std::size_t index, Stored value) {
  std::memcpy(bytes.data() + index * sizeof(Stored), &value, sizeof(Stored));
}

template <class Stored>
Stored take(const std::vector<std::byte>& bytes, std::size_t index) {
  Stored value{};
  std::memcpy(&value, bytes.data() + index * sizeof(Stored), sizeof(Stored));
  return value;
}

std::vector<std::byte> to_storage(const std::vector<double>& values, const Operand& operand) {
  std::vector<std::byte> bytes(bytes_of(operand));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (operand.type == DataType::fp32) {
      put(bytes, i, static_cast<float>(values[i]));
    } else if (operand.type == DataType::bf16) {
      put(bytes, i, bf16_bits(values[i]));
    } else if (operand.type == DataType::uint8) {
      put(bytes, i, static_cast<std::uint8_t>(values[i]));
    } else if (is_fp8(operand.type)) {
      put(bytes, i, fp8_code(values[i], operand.type));
    } else {
      put(bytes, i, static_cast<std::int32_t>(values[i]));
    }
  }
  return bytes;
}

std::vector<double> from_storage(const std::vector<std::byte>& bytes, const Operand& operand) {
  std::vector<double> values(static_cast<std::size_t>(operand.elements));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (operand.type == DataType::fp32) {
      values[i] = static_cast<double>(take<float>(bytes, i));
    } else if (operand.type == DataType::bf16) {
      values[i] = from_bf16(take<std::uint16_t>(bytes, i));
    } else if (operand.type == DataType::uint8) {
      values[i] = static_cast<double>(take<std::uint8_t>(bytes, i));
    } else if (is_fp8(operand.type)) {
      values[i] = fp8_value(take<std::uint8_t>(bytes, i), operand.type);
    } else {
      values[i] = static_cast<double>(take<std::int32_t>(bytes, i));
    }
  }
  return values;
}

// Integers of kernels whose tokens and targets may lie outside of what this rank holds.
bool may_be_foreign(const KernelKey& key) {
  return std::holds_alternative<TableShape>(key.shape) ||
         std::holds_alternative<RowsShape>(key.shape);
}

std::int64_t local_rows(const KernelKey& key) {
  if (const auto* table = std::get_if<TableShape>(&key.shape)) {
    return table->table_rows;
  }
  return std::get<RowsShape>(key.shape).columns;
}

void fill_random(ReferenceOperands& operands,
                 const KernelKey& key,
                 const KernelScalars& scalars,
                 unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  const std::vector<Operand> list = operands_of(key);
  for (std::size_t i = 0; i < list.size(); ++i) {
    operands[i].resize(static_cast<std::size_t>(list[i].elements));
    if (list[i].type == DataType::int32 && !may_be_foreign(key)) {
      const auto indices = sample_indices(key, list[i].name, seed);
      std::copy_n(
          indices.begin(), std::min(indices.size(), operands[i].size()), operands[i].begin());
      continue;
    }
    for (double& value : operands[i]) {
      if (key.op == KernelOp::dequantize && list[i].type == DataType::uint8) {
        value = std::uniform_int_distribution<int>(0, 255)(engine);
      } else if (list[i].type == DataType::uint8) {
        value = normal(engine) > 0.0 ? 1.0 : 0.0;
      } else if (list[i].type == DataType::int32) {
        value = static_cast<double>(scalars.first + std::uniform_int_distribution<std::int64_t>(
                                                        -2, local_rows(key) + 1)(engine));
      } else {
        value = stored(normal(engine), list[i].type);
      }
    }
  }
}

void round_operand(std::vector<double>& values, DataType type) {
  for (double& value : values) {
    value = stored(value, type);
  }
}

// What `forward` writes into its operand `from` becomes operand `to` of the backward key.
struct Saved {
  std::size_t from;
  std::size_t to;
};

void save_from_forward(ReferenceOperands& operands,
                       const KernelKey& key,
                       KernelOp forward,
                       std::size_t inputs,
                       const std::vector<Saved>& saved,
                       const KernelScalars& scalars = {}) {
  KernelKey forward_key = key;
  forward_key.op = forward;
  ReferenceOperands forward_operands(operands.begin(),
                                     operands.begin() + static_cast<std::ptrdiff_t>(inputs));
  if (forward == KernelOp::layer_norm_forward) {
    forward_operands.emplace_back();  // the bias does not matter to what is saved
  }
  run_reference(forward_key, scalars, forward_operands);
  const std::vector<Operand> list = operands_of(key);
  for (const auto& [from, to] : saved) {
    operands[to] = forward_operands[from];
    round_operand(operands[to], list[to].type);
  }
}

void make_consistent_cross_entropy(ReferenceOperands& operands,
                                   const KernelKey& key,
                                   const KernelScalars& scalars) {
  KernelKey pass = key;
  pass.op = KernelOp::cross_entropy_max;
  ReferenceOperands maximum = {operands[0]};
  run_reference(pass, scalars, maximum);
  operands[1] = maximum[1];
  if (key.op == KernelOp::cross_entropy_gradient) {
    pass.op = KernelOp::cross_entropy_sum;
    ReferenceOperands sums = {operands[0], operands[1], operands[3]};
    run_reference(pass, scalars, sums);
    operands[2] = sums[3];
    round_operand(operands[2], DataType::fp32);
  }
}

}  // namespace

double stored(double value, DataType type) {
  if (type == DataType::bf16) {
    return from_bf16(bf16_bits(value));
  }
  if (is_fp8(type)) {
    return fp8_value(fp8_code(value, type), type);
  }
  return type == DataType::int32 || type == DataType::uint8
             ? std::trunc(value)
             : static_cast<double>(static_cast<float>(value));
}

ReferenceOperands random_operands(const KernelKey& key,
                                  const KernelScalars& scalars,
                                  unsigned seed) {
  ReferenceOperands operands(operands_of(key).size());
  fill_random(operands, key, scalars, seed);
  switch (key.op) {
    case KernelOp::attention_backward:
      if (is_packed(std::get<AttentionKeyShape>(key.shape))) {
        save_from_forward(operands, key, KernelOp::attention_forward, 1, {{1, 1}, {2, 2}}, scalars);
      } else {
        save_from_forward(operands, key, KernelOp::attention_forward, 3, {{3, 3}, {4, 4}}, scalars);
      }
      break;
    case KernelOp::rms_norm_backward:
      save_from_forward(operands, key, KernelOp::rms_norm_forward, 2, {{3, 2}});
      break;
    case KernelOp::layer_norm_backward:
      save_from_forward(operands, key, KernelOp::layer_norm_forward, 2, {{4, 2}});
      break;
    case KernelOp::layer_norm_nobias_backward:
      save_from_forward(operands, key, KernelOp::layer_norm_nobias_forward, 2, {{3, 2}});
      break;
    case KernelOp::add_rms_norm_backward:
      save_from_forward(operands, key, KernelOp::rms_norm_forward, 2, {{3, 2}});
      break;
    case KernelOp::add_layer_norm_backward:
      save_from_forward(operands, key, KernelOp::layer_norm_forward, 2, {{4, 2}});
      break;
    case KernelOp::qk_norm_backward:
      save_from_forward(operands, key, KernelOp::qk_norm_forward, 3, {{4, 3}});
      break;
    case KernelOp::gated_norm_backward:
      save_from_forward(operands, key, KernelOp::gated_norm_forward, 3, {{4, 3}});
      break;
    case KernelOp::cross_entropy_sum:
    case KernelOp::cross_entropy_gradient:
      make_consistent_cross_entropy(operands, key, scalars);
      break;
    case KernelOp::cast:
      // 150 standard deviations of 1 reach beyond the 448 of e4m3; negative scales do not occur.
      operands[1][0] = 150.0;
      break;
    case KernelOp::adamw:
      for (double& v : operands[3]) {
        v = std::abs(v);
      }
      break;
    default:
      break;
  }
  return operands;
}

ReferenceOperands run_on(Device& device,
                         const KernelKey& key,
                         const KernelScalars& scalars,
                         const ReferenceOperands& operands) {
  const std::vector<Operand> list = operands_of(key);
  std::vector<DeviceBuffer> buffers;
  std::vector<void*> addresses;
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::vector<std::byte> bytes = to_storage(operands[i], list[i]);
    if (list[i].access == Access::write) {
      std::fill(bytes.begin(), bytes.end(), std::byte{0xff});  // NaN in fp32, bf16 and FP8
    }
    buffers.emplace_back(device, bytes.size());
    device.copy_in(buffers.back().data(), bytes.data(), bytes.size());
    addresses.push_back(buffers.back().data());
  }
  device.run(key, addresses, scalars);
  device.synchronize();
  ReferenceOperands results;
  for (std::size_t i = 0; i < list.size(); ++i) {
    std::vector<std::byte> bytes(bytes_of(list[i]));
    device.copy_out(bytes.data(), addresses[i], bytes.size());
    results.push_back(from_storage(bytes, list[i]));
  }
  return results;
}

double relative_error(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i] && std::isinf(b[i])) {
      continue;  // -infinity where it belongs
    }
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return size > 0.0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

double tolerance(DataType type) {
  if (is_fp8(type)) {
    return 0.0;
  }
  return type == DataType::bf16 ? 4e-3 : 1e-5;
}

void expect_agrees(Device& device,
                   const KernelKey& key,
                   const KernelScalars& scalars,
                   unsigned seed) {
  ASSERT_EQ(device.refuses(key), std::nullopt);
  ReferenceOperands expected = random_operands(key, scalars, seed);
  const ReferenceOperands actual = run_on(device, key, scalars, expected);
  run_reference(key, scalars, expected);
  const std::vector<Operand> list = operands_of(key);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const double allowed = list[i].access == Access::read ? 0.0 : tolerance(list[i].type);
    const double error = relative_error(actual[i], expected[i]);
    EXPECT_LE(error, allowed) << text_of(key) << ": operand " << list[i].name;
    EXPECT_FALSE(std::isnan(error)) << text_of(key) << ": operand " << list[i].name;
  }
}

KernelKey key_of(std::string_view text) {
  const auto key = kernel_key_from(text);
  EXPECT_TRUE(key.has_value()) << text;
  return key.value_or(KernelKey{});
}

}  // namespace forerun
