#include "comm/mpi/bf16_reduction.hpp"

#include <cmath>
#include <cstddef>

#include "units/bfloat16.hpp"
#include "units/multiversion.hpp"

namespace forerun {

FORERUN_MULTIVERSION void add_bf16(std::span<const std::uint16_t> from,
                                   std::span<std::uint16_t> into) {
  for (std::size_t i = 0; i < into.size(); ++i) {
    into[i] = bf16_from_float(float_from_bf16(into[i]) + float_from_bf16(from[i]));
  }
}

FORERUN_MULTIVERSION void max_bf16(std::span<const std::uint16_t> from,
                                   std::span<std::uint16_t> into) {
  for (std::size_t i = 0; i < into.size(); ++i) {
    const float candidate = float_from_bf16(from[i]);
    if (candidate > float_from_bf16(into[i]) || std::isnan(candidate)) {
      into[i] = from[i];
    }
  }
}

}  // namespace forerun
