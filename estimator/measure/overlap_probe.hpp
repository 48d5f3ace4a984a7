// Times computation and communication at once: what hides under what on this machine.
#pragma once

#include <optional>
#include <vector>

#include "estimator/measure/collective_probe.hpp"
#include "estimator/measure/operand_arena.hpp"
#include "estimator/step/overlap.hpp"

namespace forerun {

/// A pair to run together.
struct OverlapPair {
  OverlapCompute compute = OverlapCompute::gemm;
  KernelKey kernel;
  CollectiveKey collective;
};

/// {product, attention, memory-bound} x {all_gather, reduce_scatter, all_reduce, all_to_all, and
/// send_recv for a pipeline's messages} x three sizes, over all ranks of `world`
/// (modelling.md 2.6).
[[nodiscard]] std::vector<OverlapPair> overlap_pairs(const GroupShape& world, bool is_host);

/// Times that a pair takes its collective, about: once to warm up, five times alone, for the
/// kernels alone, and twice that for both.
inline constexpr double overlap_operations = 21.0;

/// Collective over `group`, all ranks of the host world. The kernel is repeated for about as long
/// as the collective takes alone, both start together, medians of several runs of the slowest rank.
/// On a CPU the collective is in flight non-blocking and gets on as far as the library takes it; on
/// a GPU it has a stream of its own. A group of one rank has a GPU copy beside the
/// kernel, with as many blocks as a collective takes, and the point is marked as emulated. Refused,
/// with the reason, on every rank alike: what a device does not run, has no memory for or does not
/// emulate.
[[nodiscard]] std::variant<OverlapPoint, std::string> probe_overlap(const CollectivePlace& place,
                                                                    OperandArena& arena,
                                                                    Communicator& group,
                                                                    const OverlapPair& pair);

}  // namespace forerun
