// Times whole decode steps: every kernel and collective of a model, one after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "comm/communicator.hpp"
#include "estimator/measure/operand_arena.hpp"
#include "estimator/profile/profile.hpp"
#include "kernels/device.hpp"

namespace forerun {

using StepOp = std::variant<KernelKey, CollectiveKey>;

/// A step at one length of context: what one rank runs, in order.
struct DecodeStep {
  std::int64_t context = 0;
  std::vector<StepOp> ops;
};

struct DecodeTiming {
  std::int64_t context = 0;
  Timing timing;  ///< of the slowest rank in each sample
};

struct DecodePlace {
  Device& device;
  Communicator& world;   ///< all ranks start together
  Communicator& tensor;  ///< carries the all-reduces and all-gathers
  Communicator& stage;   ///< carries the all-to-alls of tokens and experts
};

/// Times each step `samples` times (and once before, not counted), operands random and of each op
/// its own, so that a layer's weights are not those of the layer before. Collective over the world.
/// Throws std::runtime_error naming the key that the device refuses, std::bad_alloc when the
/// operands do not fit.
[[nodiscard]] std::vector<DecodeTiming> time_decode_steps(const std::vector<DecodeStep>& steps,
                                                          const DecodePlace& place,
                                                          int samples);

}  // namespace forerun
