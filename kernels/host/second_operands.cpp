#include "kernels/host/second_operands.hpp"

#include <cstddef>
#include <cstring>

namespace forerun::host {

SecondOperands::SecondOperands(const KernelKey& key, std::span<void* const> operands) {
  const std::vector<Operand> specs = operands_of(key);
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const std::size_t bytes = bytes_of(specs[i]);
    memory_.emplace_back(allocate_aligned(bytes));
    std::memcpy(memory_.back().get(), operands[i], bytes);
    addresses_.push_back(memory_.back().get());
  }
}

}  // namespace forerun::host
