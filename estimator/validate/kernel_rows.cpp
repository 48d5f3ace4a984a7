#include "estimator/validate/kernel_rows.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

// "m = 128 i up to 4096" and its complement, as modelling.md 10.5 counts them.
std::string domain_of(const PublicTiming& timing) {
  constexpr std::int64_t tile = 128;
  constexpr std::int64_t most_rows = 4096;
  const std::int64_t m = std::get<GemmShape>(timing.key.shape).m;
  if (m > most_rows) {
    return "m above 4096";
  }
  return m % tile == 0 ? "m in 128s" : "other m";
}

}  // namespace

std::vector<std::string> groups_of(const PublicTiming& timing) {
  if (timing.layer.empty()) {
    return {timing.table};
  }
  return {fmt::format("{}: product, {}", timing.table, domain_of(timing))};
}

std::vector<ValidationRow> layer_rows(const Timings& table, const TimingRows& rows) {
  std::map<std::string, ValidationRow> layers;
  for (const PublicTiming* timing : table) {
    if (timing->layer.empty() || !rows.at(timing).predicted) {
      continue;
    }
    const ValidationRow& part = rows.at(timing);
    auto [found, is_new] = layers.try_emplace(timing->layer, part);
    ValidationRow& layer = found->second;
    if (is_new) {
      layer.id = timing->layer + " layer";
      layer.groups = {fmt::format("{}: layer, {}", timing->table, domain_of(*timing))};
      continue;
    }
    // Errors of the parts are taken as independent.
    const double before = layer.relative_error * (*layer.predicted / unit::second);
    const double added = part.relative_error * (*part.predicted / unit::second);
    layer.published = *layer.published + *part.published;
    layer.predicted = *layer.predicted + *part.predicted;
    layer.relative_error = std::hypot(before, added) / (*layer.predicted / unit::second);
  }
  std::vector<ValidationRow> result;
  std::ranges::transform(
      layers, std::back_inserter(result), [](const auto& entry) { return entry.second; });
  return result;
}

}  // namespace forerun
