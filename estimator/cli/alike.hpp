// Ranks that run another program, or were asked another question, are refused before they meet.
#pragma once

#include <string>

#include "comm/communicator.hpp"
#include "estimator/cli/options.hpp"

namespace forerun {

/// Collective over `world`. Throws InputError, on every rank alike, naming the first rank whose
/// program file, host and all, differs from rank 0's, or the first option with another value.
void require_alike(Communicator& world, const std::string& host, const Options& options);

}  // namespace forerun
