// How Megatron-LM's arguments cut the layers into chunks.
#pragma once

#include <optional>
#include <string>

#include "estimator/cli/foreign_job.hpp"
#include "estimator/cli/foreign_settings.hpp"

namespace forerun {

struct ForeignSplit {
  const char* name;  ///< of the setting that says it
  std::string text;  ///< of --stage-layers
};

/// From pipeline-model-parallel-layout, decoder-first- and -last-pipeline-num-layers, or
/// account-for-embedding- and -loss-in-pipeline-split; nothing where none is set. Throws InputError
/// with the setting's place for a layout that cannot be read and for layers that do not divide.
[[nodiscard]] std::optional<ForeignSplit> megatron_stage_split(ForeignSettings& settings,
                                                               const StatedJob& stated);

}  // namespace forerun
