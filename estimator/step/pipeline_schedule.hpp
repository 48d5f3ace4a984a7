// Pipeline schedules: the order in which a stage runs the passes of its micro-batches.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/chunk_placement.hpp"
#include "jobs/job.hpp"
#include "jobs/recipe.hpp"

namespace forerun {

struct PipelineShape {
  std::int64_t stages = 1;
  std::int64_t chunks = 1;  ///< that one stage holds; 2 for zb-v and both dualpipes
  std::int64_t micro_batches = 1;

  friend auto operator<=>(const PipelineShape&, const PipelineShape&) = default;
};

[[nodiscard]] PipelineShape pipeline_shape(const Job& job);

/// `backward` is the whole backward pass; `backward_input` passes the gradient on and
/// `backward_weight`, which nobody waits for, adds up the weight gradients later.
enum class Pass { forward, backward, backward_input, backward_weight };

/// How an operation uses its device.
enum class Pairing { alone, with_next };

struct PipelineOp {
  Pass pass = Pass::forward;
  std::int64_t chunk = 0;  ///< local (chunk_placement.hpp)
  std::int64_t micro_batch = 0;
  /// `with_next`: this forward pass and the backward pass after it run together as one, so that the
  /// communication of each hides under the other's computation (dualpipe).
  Pairing pairing = Pairing::alone;

  friend bool operator==(const PipelineOp&, const PipelineOp&) = default;
};

/// Whether the schedule runs (some) backward passes in two parts.
[[nodiscard]] bool splits_backward(Schedule schedule);

/// Whether forward and backward passes run in pairs, each hiding the other's communication.
[[nodiscard]] bool pairs_passes(Schedule schedule);

/// "backward input".
[[nodiscard]] std::string_view name_of(Pass pass);

/// "forward of micro-batch 3, chunk 0".
[[nodiscard]] std::string text_of(const PipelineOp& op);

/// What `stage` runs, in order. With p stages, v chunks a stage, m micro-batches:
/// - gpipe: all forward, then all backward (Huang et al. 2018, arXiv 1811.06965).
/// - 1f1b: p - r - 1 forwards of warm-up (Narayanan et al. 2021, arXiv 2104.04473, figure 4).
/// - interleaved (same paper): warm-up 2(p - r - 1) + (v - 1)g chunk passes, micro-batches in
///   groups of g = `interleaving_group`, which is p when p divides m.
/// - breadth-first: gpipe with several chunks, all micro-batches of a chunk before the next chunk
///   (Lamy-Poirier 2022, arXiv 2211.05953).
/// - zb-h1, zb-h2 (Qi et al. 2023, arXiv 2401.10241): weight parts lag r (2r) micro-batches behind,
///   which keeps p (2p - 1) micro-batches on every stage.
/// - zb-v (same authors, section 6): two chunks in a V, written for equal forward, input and weight
///   parts.
/// - dualpipe, dualpipe-v (DeepSeek-V3, arXiv 2412.19437; steps 1 to 8 of the published code).
///   Micro-batches 0 .. m/2 - 1 of dualpipe enter at stage 0 (chunk 0), the rest at stage p - 1.
/// The shape must be legal (`illegal_because`).
[[nodiscard]] std::vector<PipelineOp> stage_program(Schedule schedule,
                                                    const PipelineShape& shape,
                                                    std::int64_t stage);

}  // namespace forerun
