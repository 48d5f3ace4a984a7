// How wrong the step model itself is, apart from its prices. Sets widths of bands, never centres.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "estimator/profile/structural_terms.hpp"
#include "estimator/step/step_time.hpp"
#include "jobs/job.hpp"

namespace forerun {

/// The class that sets a job's width: a narrow number format, experts, a host that decides the
/// step, or what the model is split by and whether its attention is fused.
[[nodiscard]] std::string job_class_of(const Job& job, const StepEstimate& step);

/// structural_terms.toml, compiled in. Its head says how it was derived; `forerun validate --table
/// FILE --terms-out FILE` derives it anew.
[[nodiscard]] const std::vector<StructuralTerm>& structural_terms();

/// The term of the class; of one that no published run stands for, the widest there is.
[[nodiscard]] double structural_error(std::string_view job_class);

}  // namespace forerun
