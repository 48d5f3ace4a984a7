// The most activations that a stage holds at once while it runs its program.
#pragma once

#include <span>
#include <vector>

#include "estimator/step/pipeline_program.hpp"
#include "estimator/step/pipeline_schedule.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// What one micro-batch holds in one chunk.
struct ChunkMemory {
  Bytes kept_for_input;   ///< from the forward pass until the input part of the backward pass ends
  Bytes kept_for_weight;  ///< until the weight part ends; both parts are one where B is not split
  Bytes handed_over;      ///< by the input part to the weight part: gradients of layer outputs
  Bytes forward_transient;  ///< while the forward pass runs, beyond what is kept
  Bytes input_transient;    ///< while the backward pass or its input part runs
  Bytes weight_transient;   ///< while the weight part runs alone
  Bytes offloaded;          ///< by the host, from the forward pass until the backward pass ends
};

/// The instant at which most is held.
struct ActivationPeak {
  Bytes kept;
  Bytes transient;
  Bytes offloaded;  ///< the most that the host holds, at its own instant
};

/// Of one stage: `chunks` by local chunk.
[[nodiscard]] ActivationPeak activation_peak(std::span<const PipelineOp> program,
                                             std::span<const ChunkMemory> chunks);

/// Of every stage: `chunks[stage * v + local chunk]`. A flat loop, for those who price many layouts
/// with one program.
[[nodiscard]] std::vector<ActivationPeak> activation_peaks(const PipelineProgram& program,
                                                           std::span<const ChunkMemory> chunks);

}  // namespace forerun
