// Rotary position embedding on packed rows, with its table of angles kept from call to call.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/host/kernel_call.hpp"

namespace forerun::host {

/// Rotates the pairs (i, i + r / 2) of the first r = rotary_size elements of every query and key
/// head by position * theta^(-2 i / r) (Su et al. 2021, arXiv 2104.09864, equation 15; halves as in
/// GPT-NeoX and Llama). Backward rotates by the opposite angle. position = (scalars.first + row) /
/// batch.
class Rope {
 public:
  void run(const KernelCall& call);

 private:
  void extend_table(const HeadsShape& shape, const KernelScalars& scalars);

  double theta_ = 0.0;
  std::int64_t turned_size_ = 0;  // elements of a head
  std::int64_t positions_ = 0;
  std::vector<float> angles_;  // for each position: cosines, then sines, of turned_size / 2 pairs
};

}  // namespace forerun::host
