// Public tables of single-kernel timings, read into records.
#pragma once

#include <string>
#include <vector>

#include "estimator/profile/profile.hpp"

namespace forerun {

/// One published timing. Timings of one `table` were taken alike on one device; those of one
/// `family` are left out together when one of them is to be predicted.
struct PublicTiming {
  std::string id;
  std::string table;   ///< "Vidur a100", "DeepGEMM DeepGEMM H800 fp8", ...
  std::string family;  ///< a model of Vidur's; else the (n, k) of a product or an attention's heads
  std::string layer;   ///< timings that are summed into one layer share it; empty elsewhere
  KernelKey key;
  Seconds time;
  std::string skip_reason;      ///< why there is no key; empty when there is one
  std::string gpu = {};         ///< as the table spells it: "a100", "H100-80GB SXM5"
  bool is_both_passes = false;  ///< an attention's forward and backward together
  bool includes_casts = false;  ///< an fp8 product's with the quantisation of its rows
};

/// One of Vidur's tables, "vidur-GPU-MODEL.csv": the four linear layers of a decoder layer in fp16,
/// median of repeated rows, in milliseconds. Throws InputError with file and line.
[[nodiscard]] std::vector<PublicTiming> read_vidur_table(const std::string& path);

/// A table of mixed sources ("kernels.csv"): products and attention with their times in
/// microseconds, or their TFLOP/s. Rows that name no one kernel come back with a reason.
[[nodiscard]] std::vector<PublicTiming> read_kernel_table(const std::string& path);

/// Every such table of a folder, or the one that `path` names. Throws InputError when there is
/// none.
[[nodiscard]] std::vector<PublicTiming> read_public_timings(const std::string& path);

}  // namespace forerun
