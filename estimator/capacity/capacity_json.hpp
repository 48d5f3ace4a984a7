// The result of `capacity` as a document, and the document as a table.
#pragma once

#include <iosfwd>

#include <nlohmann/json.hpp>

#include "estimator/capacity/capacity.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// Head and inputs included; keys end in their unit. `tokens_per_s_per_device` is over all devices
/// that were asked for, idle ones too. `breakdown_s` sums to `tpot_s`. Work-years are round the
/// clock, `_2000h` job-years.
[[nodiscard]] nlohmann::ordered_json to_json(const Capacity& capacity, const Cluster& cluster);

void print_capacity(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
