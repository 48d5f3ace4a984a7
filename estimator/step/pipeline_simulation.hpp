// When each pass of a pipeline runs: the event simulation.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "estimator/step/pipeline_program.hpp"
#include "estimator/step/pipeline_schedule.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// `blocking`: the receiver is busy while a message arrives (plain 1F1B, MPI on a CPU).
/// `overlapped`: a message travels while both sides compute; messages of one stage in one direction
/// travel one after the other.
enum class Exchange { blocking, overlapped };

/// One micro-batch through one chunk.
struct PassCosts {
  Seconds forward;
  Seconds recompute;        ///< of activations, when a backward pass begins
  Seconds backward_input;   ///< the gradient of the chunk's input
  Seconds backward_weight;  ///< the gradients of its weights
  /// Parts of `forward` and of the whole backward pass that exchange tokens between experts: in
  /// paired passes that of one hides under the computation of the other. Tensor and context ranks
  /// are waited for (DeepSeek-V3, arXiv 2412.19437, section 3.2.1; torchtitan overlaps with experts
  /// only).
  Seconds forward_exchange;
  Seconds backward_exchange;
  /// All communication of the two, what hides within its own pass included.
  Seconds forward_wire;
  Seconds backward_wire;
  /// Parts of the same in which the device waits for the host link.
  Seconds forward_offload;
  Seconds backward_offload;
};

struct PipelineCosts {
  std::vector<PassCosts> passes;  ///< [stage * chunks + local chunk]
  /// [r]: one message between stages r and r + 1, either way; the last: between p - 1 and 0. Empty:
  /// messages cost nothing.
  std::vector<Seconds> messages;
  Exchange exchange = Exchange::blocking;
};

/// What a pass takes. A pair takes the sum of both less what hides: each communication as far as
/// the other's computation reaches, but no less than the wire is busy.
[[nodiscard]] Seconds duration_of(const PassCosts& costs, Pass pass);
[[nodiscard]] Seconds pair_duration(const PassCosts& forward, const PassCosts& backward);

struct StageTimes {
  Seconds start;  ///< of its first pass, from the start of the step
  Seconds end;    ///< of its last pass
  Seconds busy;   ///< in passes
};

/// Memory that simulations use again and again; holds nothing between them.
struct PipelineScratch {
  std::vector<double> durations;
  std::vector<double> messages;  // by channel
  std::vector<double> outputs;   // when what a step put out has arrived
  std::vector<double> stages;    // when each is free
  std::vector<double> channels;  // likewise
  std::vector<StageTimes> times;
};

/// Every pass starts when its stage is free and its input has arrived. Returns one entry a stage,
/// valid until the scratch is used again. Throws std::logic_error when the costs do not match the
/// program's shape.
[[nodiscard]] std::span<const StageTimes> simulate_pipeline(const PipelineProgram& program,
                                                            const PipelineCosts& costs,
                                                            PipelineScratch& scratch);

/// The same for many jobs that share a program, several at a time in one vector register:
/// result[job * stages + stage]. All must have the same exchange.
[[nodiscard]] std::span<const StageTimes> simulate_pipelines(const PipelineProgram& program,
                                                             std::span<const PipelineCosts> jobs,
                                                             PipelineScratch& scratch);

/// For a single job: makes the program, simulates it, forgets both.
[[nodiscard]] std::vector<StageTimes> simulate_pipeline(Schedule schedule,
                                                        const PipelineShape& shape,
                                                        const PipelineCosts& costs);

/// When the last stage ends.
[[nodiscard]] Seconds makespan_of(std::span<const StageTimes> stages);

/// The longest any stage takes from its first pass to its last. What a step costs when the stages
/// need not wait for each other between steps (Qi et al. 2023, section 4: no global synchronisation
/// before the optimizer); else the makespan counts.
[[nodiscard]] Seconds longest_span_of(std::span<const StageTimes> stages);

}  // namespace forerun
