// What no device can run, whatever its kernels: sizes that contradict each other.
#pragma once

#include <optional>
#include <string>

#include "kernels/kernel_key.hpp"

namespace forerun {

/// Why the key names no computation; empty when it names one. Sizes below 1 or beyond counting,
/// heads that key-value heads or groups do not divide, more choices than experts, rows that do not
/// fit their groups, rope on odd heads.
[[nodiscard]] std::optional<std::string> contradiction_in(const KernelKey& key);

}  // namespace forerun
