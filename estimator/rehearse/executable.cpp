#include "estimator/rehearse/executable.hpp"

#include <fmt/format.h>

#include "estimator/rehearse/context_attention.hpp"
#include "estimator/rehearse/sharded_weights.hpp"
#include "estimator/step/work_list.hpp"
#include "jobs/chunk_placement.hpp"

namespace forerun {

std::optional<NotRehearsed> not_rehearsed_because(const Job& job, Overlap overlap) {
  const Precision precision = job.recipe.precision;
  if (precision != Precision::bf16 && precision != Precision::fp32) {
    return NotRehearsed{"--precision", "a rehearsal runs in bf16 or fp32"};
  }
  if (const auto reason = sharding_not_executed_because(job)) {
    return NotRehearsed{"--zero", *reason};
  }
  if (const auto reason = not_executed_because(job)) {
    return NotRehearsed{job.model.name, *reason};
  }
  if (const auto reason = context_not_executed_because(job)) {
    return NotRehearsed{"--layout", *reason};
  }
  const bool rings = job.layout.context > 1 && job.recipe.context_kind == ContextKind::ring;
  if (overlap == Overlap::on && rings) {
    return NotRehearsed{
        "--overlap",
        "a ring of keys and values beside attention is estimated only (rehearse runs it with "
        "--overlap off, and --cp-kind allgather with both)"};
  }
  const Schedule schedule = schedule_of(job);
  if (pairs_passes(schedule) || placement_of(schedule) == ChunkPlacement::bidirectional) {
    return NotRehearsed{
        "--schedule",
        fmt::format("{} is estimated only (rehearse runs gpipe, 1f1b, interleaved, breadth-first, "
                    "zb-h1, zb-h2 and zb-v)",
                    name_of(schedule))};
  }
  return std::nullopt;
}

}  // namespace forerun
