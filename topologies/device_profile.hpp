// What the kernels of a device reach, fitted to published timings: a file of catalog/devices/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "units/data_type.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// Products C[m x n] = A[m x k] B[k x n] in one number format, at
/// (launch + ((F / (flop_fraction peak))^4 + (bytes / (byte_fraction bandwidth))^4)^(1/4))
/// / utilisation(m, n, k), where utilisation is linear in the logarithms of the sizes between the
/// corners of a grid and held beyond it. Peak and bandwidth are the datasheet's.
struct GemmTable {
  DataType type = DataType::bf16;
  Seconds launch;
  double flop_fraction = 0.0;
  double byte_fraction = 0.0;
  /// Of the dynamic quantisation of A that the timings included and that was taken off: per product
  /// launch + bytes_per_element m k / (byte_fraction bandwidth). Zero for 16-bit formats.
  Seconds quantise_launch;
  double quantise_bytes_per_element = 0.0;
  std::vector<double> m;            ///< ascending, at least two
  std::vector<double> n;            ///< ascending, at least two
  std::vector<double> k;            ///< ascending, at least two
  std::vector<double> utilisation;  ///< of the corners, m slowest, k fastest
  double error = 0.0;               ///< mean relative error of an (n, k) left out of the fit
  std::string source;
};

/// Time of a product's layout relative to forward's at the same m, n, k.
struct LayoutFactors {
  double dgrad = 1.0;
  double wgrad = 1.0;
  double wgrad_accumulate = 1.0;  ///< adding into an fp32 C, in 16 bits
  /// How often reading and writing an fp32 C at the memory's full bandwidth comes on top of the
  /// product that is added to it; where it is known it stands for `wgrad_accumulate`.
  std::optional<double> sums_on_top = std::nullopt;
  double error = 0.0;  ///< mean relative spread of the ratios
  std::string source;
};

/// Attention of one direction, mask and head size:
/// launch + F / (flop_fraction peak) (1 + half_length / keys) (1 + half_rows / rows), rows = batch
/// x heads x queries.
struct AttentionRate {
  std::string method;  ///< "flash-1", "flash-2"; empty: the fastest that is known of the device
  bool is_forward = true;
  bool is_causal = true;
  double head_size = 0.0;
  double flop_fraction = 0.0;  ///< of peak, long sequences and many rows
  double half_length = 0.0;
  double half_rows = 0.0;
  Seconds launch;
  double error = 0.0;
  std::string source;
};

/// Kernels that memory limits: launch + bytes / (byte_fraction bandwidth).
struct RowsRate {
  std::vector<std::string> kernels;  ///< names of kernels; empty: all that have no own entry
  double byte_fraction = 0.0;
  Seconds launch;
  double error = 0.0;
  std::string source;
};

struct DeviceProfile {
  std::string name;
  std::string date;  ///< of the fit
  std::vector<GemmTable> gemm;
  std::optional<LayoutFactors> layouts;
  std::vector<AttentionRate> attention;
  std::vector<RowsRate> rows;
  std::optional<RowsRate> memory;
};

/// The profile of that name in the catalog. Sections that the file lacks come from the one that it
/// names as `like`, with `like_error` added to their error in quadrature. Throws InputError naming
/// the nearest known one.
[[nodiscard]] DeviceProfile read_device_profile(std::string_view name);

/// One file's own sections, `like` not followed; `where` is the file's name in messages.
[[nodiscard]] DeviceProfile read_device_profile_text(std::string_view text,
                                                     const std::string& where);

[[nodiscard]] std::vector<std::string> catalog_device_profiles();

}  // namespace forerun
