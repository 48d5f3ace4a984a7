// Operands to time kernels on: memory, random contents, and a look at what came out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "kernels/device.hpp"

namespace forerun {

/// Memory that probes share: allocating and filling gigabytes anew for every key would spend most
/// of a time budget.
class OperandArena {
 public:
  explicit OperandArena(Device& device) : device_(device) {}

  /// Why the operands of the key and what it needs beside them do not fit into what the device has
  /// left; empty when they do. A CPU hands out more memory than there is, and kills for it later.
  [[nodiscard]] std::string lacks_room(const KernelKey& key) const;

  /// Operands of the key, those that it reads filled with random values. Valid until the next call.
  [[nodiscard]] std::span<void* const> operands_for(const KernelKey& key);

  /// Looks at what the key, run on these operands, wrote: the first NaN that it finds, in words;
  /// empty when it finds none. Operands that are only written hold NaN before the first run.
  [[nodiscard]] std::string check_outputs(const KernelKey& key);

 private:
  struct Slot {
    DeviceBuffer buffer;
    std::string content;     ///< what kind of values it holds
    std::size_t filled = 0;  ///< bytes of them
  };

  void poison(const Slot& slot, std::size_t bytes);
  void fill(Slot& slot, const KernelKey& key, const Operand& operand, std::size_t bytes);

  Device& device_;
  std::vector<Slot> slots_;
  std::vector<void*> pointers_;
};

/// Fills the memory of an operand with values that the kernel can be timed with.
void fill_operand(Device& device, void* memory, const KernelKey& key, const Operand& operand);

}  // namespace forerun
