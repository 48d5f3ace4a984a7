// Rows of a device tensor as fp32 numbers of the host: to cut, to join, to add up.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/device.hpp"
#include "units/data_type.hpp"

namespace forerun {

struct HostMatrix {
  std::int64_t width = 0;
  std::vector<float> values;

  [[nodiscard]] std::int64_t rows() const { return std::ssize(values) / width; }
};

/// Fills `values` with numbers of the device, after waiting for it; and back.
void read_values(Device& device, const void* from, DataType type, std::span<float> values);
void write_values(Device& device, std::span<const float> values, DataType type, void* to);

/// Waits for the device.
[[nodiscard]] HostMatrix read_matrix(
    Device& device, const void* from, DataType type, std::int64_t rows, std::int64_t width);
void write_matrix(Device& device, const HostMatrix& matrix, DataType type, void* to);

/// A view; nothing is copied.
[[nodiscard]] std::span<const float> rows_of(const HostMatrix& matrix,
                                             std::int64_t first,
                                             std::int64_t count);
[[nodiscard]] HostMatrix columns_of(const HostMatrix& matrix,
                                    std::int64_t first,
                                    std::int64_t count);
/// Adds `more` to the rows from `first` on.
void add_rows(HostMatrix& to, std::int64_t first, const HostMatrix& more);
/// Matrices with equal rows beside each other.
[[nodiscard]] HostMatrix beside(const std::vector<HostMatrix>& parts);

}  // namespace forerun
