// What a host kernel is given: the key, the operands in their agreed order, the scalars.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

#include "kernels/host/typed_array.hpp"
#include "kernels/kernel_key.hpp"
#include "kernels/operands.hpp"

namespace forerun::host {

struct KernelCall {
  const KernelKey& key;
  std::span<void* const> operands;
  const KernelScalars& scalars;

  template <class Shape>
  [[nodiscard]] const Shape& shape() const {
    return std::get<Shape>(key.shape);
  }

  /// Operand `index` in the key's type, or as what the operand list says it always is.
  [[nodiscard]] TypedArray array(std::size_t index) const { return {operands[index], key.type}; }

  [[nodiscard]] float* floats(std::size_t index) const {
    return static_cast<float*>(operands[index]);
  }

  [[nodiscard]] const std::int32_t* integers(std::size_t index) const {
    return static_cast<const std::int32_t*>(operands[index]);
  }
};

}  // namespace forerun::host
