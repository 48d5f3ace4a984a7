// The verb that searches layouts, alone or with the space split over the ranks of mpirun.
#include <chrono>
#include <ostream>

#include <fmt/ostream.h>
#include <malloc.h>
#include <nlohmann/json.hpp>

#include "estimator/backend/module.hpp"
#include "estimator/cli/plan_request.hpp"
#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/plan/launch_flags.hpp"
#include "estimator/plan/plan.hpp"
#include "estimator/plan/plan_progress.hpp"
#include "estimator/plan/plan_table.hpp"
#include "estimator/profile/build_info.hpp"
#include "units/progress_line.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

void add_launch(const Plan& plan, LaunchFormat format, nlohmann::ordered_json& document) {
  if (plan.layouts.empty()) {
    return;
  }
  const PlannedLayout& best = plan.layouts.front();
  document["launch"] = {
      {"format",
       format == LaunchFormat::megatron ? "megatron"
       : format == LaunchFormat::nemo   ? "nemo"
                                        : "torchtitan"},
      {"text", launch_text(best.estimate.request.job, best.candidate.overlap, format)}};
}

Plan planned(const PlanRequest& request,
             Communicator& world,
             const Options& options,
             std::ostream& log) {
  const bool speaks =
      world.rank() == 0 && options.verbosity != Verbosity::quiet && standard_error_takes_progress();
  ProgressLine line(speaks ? &log : nullptr, "plan", "candidates");
  const auto ranks = static_cast<double>(world.size());
  return make_plan(request, world, [&](double share, std::int64_t candidates) {
    line.show(share, ranks * static_cast<double>(candidates));
  });
}

// A search takes and frees the same sizes all the time: giving memory back to the system between
// costs a twentieth of it.
void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int most = 1 << 30;
  mallopt(M_TRIM_THRESHOLD, most);
  mallopt(M_MMAP_THRESHOLD, most);
  mallopt(M_TOP_PAD, most >> 6);
#endif
}

}  // namespace

ExitCode run_plan(const Options& options, const OutputStreams& streams) {
  keep_freed_memory();
  const auto start = std::chrono::steady_clock::now();
  const PlanRequest request = plan_request_from(options);
  const auto world = open_world();
  const Plan plan = planned(request, *world, options, streams.log);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  if (world->rank() == 0) {
    nlohmann::ordered_json document = document_head();
    document.update(to_json(plan));
    document["elapsed_s"] = elapsed.count();
    if (options.emit) {
      add_launch(plan, *options.emit, document);
    }
    write_result(document, print_plan, options, streams.out);
    if (plan.infeasible_because) {
      fmt::print(streams.log, "forerun: infeasible: {}\n", *plan.infeasible_because);
    }
  }
  return plan.infeasible_because ? ExitCode::infeasible : ExitCode::answered;
}

}  // namespace forerun
