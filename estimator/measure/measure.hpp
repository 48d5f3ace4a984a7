// The verb `measure`: what does this cluster really cost?
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/process_grid.hpp"
#include "comm/watch/rank_watch.hpp"
#include "estimator/measure/progress.hpp"
#include "estimator/profile/profile.hpp"
#include "jobs/job.hpp"
#include "kernels/device.hpp"

namespace forerun {

struct MeasureOptions {
  std::vector<Job> jobs;  ///< whose keys are measured; layouts multiply to the world's size
  std::vector<KernelKey> kernels = {};  ///< that are measured too
  Seconds budget;                       ///< infinite: until everything is settled
  std::string out;                      ///< profile; the journal lies beside it
  enum class Start { afresh, resume } start = Start::afresh;
  /// Collectives without a job: all of them, over all ranks, at sizes of powers of two.
  enum class What { everything, kernels, collectives } what = What::everything;
  RankOrder rank_order = megatron_order;
  std::vector<std::string> warnings = {};   ///< about this run, for the profile
  std::uint64_t seed = 1;                   ///< of the order in which kernels are measured
  const std::atomic<bool>* stop = nullptr;  ///< set when somebody wants the program to end
};

/// The ranks and what carries their data.
struct Machine {
  Device& device;
  Communicator& host_world;
  Communicator& data_world;    ///< NCCL over device memory, or host_world again
  RankWatch* watch = nullptr;  ///< told what the ranks do, where there is one
};

/// Collective over the machine's ranks. Kernels are measured in random order, so that what drifts
/// (heat, clocks) is not taken for an effect of size; one that a device refuses, cannot hold or
/// computes wrong is named in `skipped`, and the rest goes on. Once `stop` is set on any rank, the
/// present key is finished with the samples that it has, the profile is written with what was
/// measured, and what was not is in `skipped`. Every record is in the journal before the next key
/// starts; the profile is made from it by rename at the end. A rank that computes much slower than
/// the others is named in the profile's warnings. Progress goes to `progress` on rank 0.
/// Returns the profile on every rank. Throws InputError for a --resume that does not fit, and
/// std::runtime_error when writing fails: the journal then keeps what was measured.
[[nodiscard]] Profile measure(const MeasureOptions& options,
                              const Machine& machine,
                              const ProgressSinks& progress);

/// Ranks on this rank's node, from the host names of all ranks.
[[nodiscard]] std::int64_t ranks_per_node(const std::vector<std::string>& hosts);

/// Layout-independent description of where this profile is measured: device, node, ranks.
[[nodiscard]] Profile describe(const Machine& machine);

}  // namespace forerun
