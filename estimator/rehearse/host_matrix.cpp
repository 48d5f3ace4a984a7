#include "estimator/rehearse/host_matrix.hpp"

#include <algorithm>

#include "units/bfloat16.hpp"

namespace forerun {
namespace {

auto row_at(const HostMatrix& matrix, std::int64_t row) {
  return matrix.values.begin() + row * matrix.width;
}

}  // namespace

void read_values(Device& device, const void* from, DataType type, std::span<float> values) {
  device.synchronize();
  if (type == DataType::fp32) {
    device.copy_out(values.data(), from, values.size_bytes());
    return;
  }
  std::vector<std::uint16_t> narrow(values.size());
  device.copy_out(narrow.data(), from, narrow.size() * sizeof(std::uint16_t));
  std::ranges::transform(narrow, values.begin(), float_from_bf16);
}

void write_values(Device& device, std::span<const float> values, DataType type, void* to) {
  if (type == DataType::fp32) {
    device.copy_in(to, values.data(), values.size_bytes());
    return;
  }
  std::vector<std::uint16_t> narrow(values.size());
  std::ranges::transform(values, narrow.begin(), bf16_from_float);
  device.copy_in(to, narrow.data(), narrow.size() * sizeof(std::uint16_t));
}

HostMatrix read_matrix(
    Device& device, const void* from, DataType type, std::int64_t rows, std::int64_t width) {
  HostMatrix matrix{width, std::vector<float>(static_cast<std::size_t>(rows * width))};
  read_values(device, from, type, matrix.values);
  return matrix;
}

void write_matrix(Device& device, const HostMatrix& matrix, DataType type, void* to) {
  write_values(device, matrix.values, type, to);
}

std::span<const float> rows_of(const HostMatrix& matrix, std::int64_t first, std::int64_t count) {
  return std::span(matrix.values)
      .subspan(static_cast<std::size_t>(first * matrix.width),
               static_cast<std::size_t>(count * matrix.width));
}

HostMatrix columns_of(const HostMatrix& matrix, std::int64_t first, std::int64_t count) {
  HostMatrix part{count, {}};
  part.values.reserve(static_cast<std::size_t>(matrix.rows() * count));
  for (std::int64_t row = 0; row < matrix.rows(); ++row) {
    const auto from = row_at(matrix, row) + first;
    part.values.insert(part.values.end(), from, from + count);
  }
  return part;
}

void add_rows(HostMatrix& to, std::int64_t first, const HostMatrix& more) {
  const auto begin = to.values.begin() + first * to.width;
  // clang-tidy 14 does not compile the ranges' form.
  std::transform(more.values.begin(), more.values.end(), begin, begin, std::plus<>());
}

HostMatrix beside(const std::vector<HostMatrix>& parts) {
  HostMatrix joined;
  for (const HostMatrix& part : parts) {
    joined.width += part.width;
  }
  for (std::int64_t row = 0; row < parts.front().rows(); ++row) {
    for (const HostMatrix& part : parts) {
      joined.values.insert(joined.values.end(), row_at(part, row), row_at(part, row + 1));
    }
  }
  return joined;
}

}  // namespace forerun
