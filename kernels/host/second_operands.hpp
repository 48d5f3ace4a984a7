// Another set of a kernel's operands, to run it on before it is timed.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kernels/host/aligned_memory.hpp"
#include "kernels/operands.hpp"

namespace forerun::host {

/// A step runs a kernel on many layers' operands: its code is in the caches when it comes to the
/// next ones, though these are not. After a flush neither is. Running it on copies in between
/// brings the code back and leaves the operands where they are.
class SecondOperands {
 public:
  /// Copies with the same contents, so that indices stay valid. Throws std::bad_alloc.
  SecondOperands(const KernelKey& key, std::span<void* const> operands);

  [[nodiscard]] std::span<void* const> get() const { return addresses_; }

 private:
  struct Release {
    void operator()(void* memory) const noexcept { release_aligned(memory); }
  };

  std::vector<std::unique_ptr<void, Release>> memory_;
  std::vector<void*> addresses_;
};

}  // namespace forerun::host
