// What one model is made of: parameters, the multiply-adds of a token, what a token leaves cached.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace forerun {

/// Shape, parameter counts by part, multiply-adds of a token at `sequence` tokens (default: the
/// model's context) and bytes that a sequence of that length keeps in a cache of 16 bits.
/// `name` is of the catalog, or a file or folder. Throws InputError as `read_model` does.
[[nodiscard]] nlohmann::ordered_json model_json(const std::string& name,
                                                std::optional<std::int64_t> sequence);

/// One model: multiply-adds, shares, crossovers, cache.
void print_accounting(const nlohmann::ordered_json& model, std::ostream& out);

/// What the second model's parameters are more than the first's, by part, at 16 bits.
void print_difference(const nlohmann::ordered_json& from,
                      const nlohmann::ordered_json& to,
                      std::ostream& out);

}  // namespace forerun
