// Which jobs a rehearsal can run.
#pragma once

#include <optional>
#include <string>

#include "estimator/step/part_cost.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// The option at fault and one sentence.
struct NotRehearsed {
  std::string option;
  std::string reason;
};

/// Why a legal and supported job is estimated only; empty when it can be run.
[[nodiscard]] std::optional<NotRehearsed> not_rehearsed_because(const Job& job,
                                                                Overlap overlap = Overlap::off);

}  // namespace forerun
