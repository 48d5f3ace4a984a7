#include "estimator/validate/validate_catalog.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "estimator/profile/catalog_prices.hpp"
#include "estimator/validate/kernel_rows.hpp"
#include "topologies/read_cluster.hpp"

namespace forerun {
namespace {

struct Spelling {
  std::string_view gpu;
  std::string_view cluster;
};

// How the tables spell the devices that the catalog's clusters have. PCIe cards and H800, which
// runs at other clocks, are other devices.
constexpr auto spellings = std::to_array<Spelling>({
    {"a100", "dgx-a100"},
    {"A100-80GB", "dgx-a100"},
    {"A100-80GB SXM4", "dgx-a100"},
    {"h100", "dgx-h100"},
    {"H100-80GB", "dgx-h100"},
    {"H100-80GB SXM5", "dgx-h100"},
    {"H200", "dgx-h200"},
    {"B200", "dgx-b200"},
    {"B300", "dgx-b300"},
    {"GB200", "gb200-nvl72"},
    {"GB300", "gb300-nvl72"},
});

// Profiles of the clusters that were asked for, read once.
class CatalogProfiles {
 public:
  const CatalogPrices& prices_of(std::string_view cluster) {
    auto& found = prices_[cluster];
    if (!found) {
      const DeviceSpec device = read_cluster(std::string(cluster)).device;
      found = std::make_unique<CatalogPrices>(device, read_device_profile(*device.profile));
    }
    return *found;
  }

 private:
  std::map<std::string_view, std::unique_ptr<CatalogPrices>> prices_;
};

std::optional<Price> price_of(const PublicTiming& timing, const CatalogPrices& prices) {
  auto price = prices.price(timing.key);
  if (!price) {
    return std::nullopt;
  }
  if (timing.includes_casts) {
    price->time += prices.quantise_time(timing.key);
  }
  if (timing.is_both_passes) {
    KernelKey forward = timing.key;
    forward.op = KernelOp::attention_forward;
    const auto ahead = prices.price(forward);
    if (!ahead) {
      return std::nullopt;
    }
    price->time += ahead->time;
    price->relative_error = std::max(price->relative_error, ahead->relative_error);
  }
  return price;
}

ValidationRow row_of(const PublicTiming& timing,
                     const CatalogPrices& prices,
                     std::string_view cluster) {
  ValidationRow row;
  row.id = timing.id;
  row.groups = groups_of(timing);
  row.published = timing.time;
  row.tier = "fitted";
  constexpr std::int64_t many_rows = 512;
  const auto* const shape = std::get_if<GemmShape>(&timing.key.shape);
  if (shape != nullptr && timing.layer.empty() && shape->m >= many_rows) {
    row.groups.push_back(row.groups.front() + ", from 512 rows");
  }
  for (std::string& group : row.groups) {
    group = fmt::format("{}: {}", cluster, group);
  }
  if (const auto price = price_of(timing, prices)) {
    row.predicted = price->time;
    row.relative_error = price->relative_error;
  } else {
    row.tier.clear();
    row.skip_reason = "the device's profile has no such kernel";
  }
  return row;
}

}  // namespace

Validation validate_catalog(const std::vector<PublicTiming>& timings) {
  CatalogProfiles catalog;
  Validation validation;
  std::map<std::string_view, Timings> tables;
  for (const PublicTiming& timing : timings) {
    const auto* const found = std::ranges::find(spellings, timing.gpu, &Spelling::gpu);
    if (timing.skip_reason.empty() && found != spellings.end()) {
      tables[found->cluster].push_back(&timing);
    }
  }
  for (const auto& [cluster, table] : tables) {
    const CatalogPrices& prices = catalog.prices_of(cluster);
    TimingRows rows;
    for (const PublicTiming* const timing : table) {
      rows.emplace(timing, row_of(*timing, prices, cluster));
      validation.rows.push_back(rows.at(timing));
    }
    for (ValidationRow& layer : layer_rows(table, rows)) {
      layer.groups.front() = fmt::format("{}: {}", cluster, layer.groups.front());
      validation.rows.push_back(std::move(layer));
    }
  }
  return validation;
}

}  // namespace forerun
