// How rows of kernel timings are grouped, and summed into layers.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "estimator/validate/public_timings.hpp"
#include "estimator/validate/validation.hpp"

namespace forerun {

using Timings = std::vector<const PublicTiming*>;
using TimingRows = std::map<const PublicTiming*, ValidationRow>;

/// The timing's table; Vidur's by "m = 128 i up to 4096" and its complement, as modelling.md 10.5
/// counts them.
[[nodiscard]] std::vector<std::string> groups_of(const PublicTiming& timing);

/// Sums of the products of a layer that were all predicted; `rows` holds a row for each timing.
[[nodiscard]] std::vector<ValidationRow> layer_rows(const Timings& table, const TimingRows& rows);

}  // namespace forerun
