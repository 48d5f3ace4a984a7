// torchtitan's names for models: [model] name and flavor, and the catalog's model of that shape.
#pragma once

#include <optional>
#include <string_view>

namespace forerun {

struct TorchtitanFlavor {
  std::string_view name;    ///< "llama3"
  std::string_view flavor;  ///< "8B"
  std::string_view model;   ///< of the catalog
};

/// Nothing for a model that torchtitan has no flavor of.
[[nodiscard]] std::optional<TorchtitanFlavor> flavor_of(std::string_view model);

/// Suffixes that choose an attention kernel (8B_flex, 8B_varlen) are left out.
[[nodiscard]] std::optional<TorchtitanFlavor> flavor_named(std::string_view name,
                                                           std::string_view flavor);

}  // namespace forerun
