// How well collectives that were not measured are predicted, by how much is known of the machine.
#pragma once

#include <vector>

#include "estimator/validate/public_collectives.hpp"
#include "estimator/validate/validation.hpp"

namespace forerun {

/// Every timing predicted three times: from the other rows of its machine; from the other curves of
/// its machine (one collective over one group left out whole), else its datasheet; from the
/// datasheet and NCCL's constants alone, for devices that the catalog has, between nodes where the
/// row states the network's rate. Groups: each of the three above 1 MiB, above 16 MiB and over all
/// sizes, in total and by source; reasons for which rows are not compared.
[[nodiscard]] Validation validate_collectives(const std::vector<PublicCollective>& timings);

}  // namespace forerun
