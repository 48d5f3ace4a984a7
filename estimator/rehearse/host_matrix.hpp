// Rows of a device tensor as fp32 numbers of the host: to cut, to join, to add up.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/device.hpp"
#include "units/data_type.hpp"

namespace forerun {

struct HostMatrix {
  std::int64_t width = 0;
  std::vector<float> values;

  [[nodiscard]] std::int64_t rows() const { return std::ssize(values) / width; }
};

/// Waits for the device.
[[nodiscard]] HostMatrix read_matrix(
    Device& device, const void* from, DataType type, std::int64_t rows, std::int64_t width);
void write_matrix(Device& device, const HostMatrix& matrix, DataType type, void* to);

[[nodiscard]] HostMatrix rows_of(const HostMatrix& matrix, std::int64_t first, std::int64_t count);
[[nodiscard]] HostMatrix columns_of(const HostMatrix& matrix,
                                    std::int64_t first,
                                    std::int64_t count);
void append_rows(HostMatrix& to, const HostMatrix& more);
/// Adds `more` to the rows from `first` on.
void add_rows(HostMatrix& to, std::int64_t first, const HostMatrix& more);
/// Matrices with equal rows beside each other.
[[nodiscard]] HostMatrix beside(const std::vector<HostMatrix>& parts);

}  // namespace forerun
