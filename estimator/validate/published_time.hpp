// Seconds per step as a table publishes them: directly, or through a rate.
#pragma once

#include <optional>
#include <string>

#include "estimator/validate/training_table.hpp"
#include "jobs/job.hpp"
#include "topologies/device.hpp"
#include "units/quantity.hpp"

namespace forerun {

struct PublishedTime {
  Seconds time;
  std::string from;  ///< "step_time_s", "tokens_per_s_per_gpu", "tflops_per_gpu by 96*B..., ..."
};

/// FLOP of one step as a `flops_convention` counts them (published/README.md of the reference
/// data, "FLOP conventions that occur"). Nothing for text that names none.
struct CountedFlops {
  Flops flops;
  std::string convention;  ///< in one phrase
};

[[nodiscard]] std::optional<CountedFlops> flops_by_convention(const std::string& convention,
                                                              const Job& job);

/// The first of: step_time_s; tokens_per_s_per_gpu; tflops_per_gpu by the `convention`; mfu_pct
/// or hfu_pct likewise, of the peak that the convention states or else of the device's own.
/// Nothing where none is published or its convention is not known. Throws InputError for a result
/// that is no positive number.
[[nodiscard]] std::optional<PublishedTime> published_time(const Cells& results,
                                                          const std::string& convention,
                                                          const Job& job,
                                                          const DeviceSpec& device);

}  // namespace forerun
