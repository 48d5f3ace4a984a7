#include "estimator/rehearse/host_matrix.hpp"

#include <algorithm>

#include "units/bfloat16.hpp"

namespace forerun {
namespace {

auto row_at(const HostMatrix& matrix, std::int64_t row) {
  return matrix.values.begin() + row * matrix.width;
}

}  // namespace

HostMatrix read_matrix(
    Device& device, const void* from, DataType type, std::int64_t rows, std::int64_t width) {
  HostMatrix matrix{width, std::vector<float>(static_cast<std::size_t>(rows * width))};
  device.synchronize();
  if (type == DataType::fp32) {
    device.copy_out(matrix.values.data(), from, matrix.values.size() * sizeof(float));
    return matrix;
  }
  std::vector<std::uint16_t> narrow(matrix.values.size());
  device.copy_out(narrow.data(), from, narrow.size() * sizeof(std::uint16_t));
  std::ranges::transform(narrow, matrix.values.begin(), float_from_bf16);
  return matrix;
}

void write_matrix(Device& device, const HostMatrix& matrix, DataType type, void* to) {
  if (type == DataType::fp32) {
    device.copy_in(to, matrix.values.data(), matrix.values.size() * sizeof(float));
    return;
  }
  std::vector<std::uint16_t> narrow(matrix.values.size());
  std::ranges::transform(matrix.values, narrow.begin(), bf16_from_float);
  device.copy_in(to, narrow.data(), narrow.size() * sizeof(std::uint16_t));
}

HostMatrix rows_of(const HostMatrix& matrix, std::int64_t first, std::int64_t count) {
  return {matrix.width, {row_at(matrix, first), row_at(matrix, first + count)}};
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

void append_rows(HostMatrix& to, const HostMatrix& more) {
  to.width = more.width;
  to.values.insert(to.values.end(), more.values.begin(), more.values.end());
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
