#include "estimator/estimate/priced_operations.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <ostream>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "estimator/estimate/hardware_source.hpp"
#include "estimator/profile/nvfp4_prices.hpp"
#include "estimator/step/part_cost.hpp"
#include "estimator/step/tail_cost.hpp"
#include "jobs/chunk_placement.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Calls of each key of a part.
using Calls = std::map<std::pair<std::variant<KernelKey, CollectiveKey>, Part>, double>;

void count(const std::vector<WorkItem>& items, double times, Calls& calls) {
  for (const WorkItem& item : items) {
    const double done = item.skips_first ? times - 1.0 : times;
    if (const auto* const kernel = std::get_if<KernelWork>(&item.work)) {
      calls[{kernel->key, item.part}] += done;
    } else {
      const CollectiveKey& key = std::get<CollectiveWork>(item.work).key;
      if (key.group.ranks > 1) {
        calls[{key, item.part}] += done;
      }
    }
  }
}

Calls calls_of(const JobEstimate& estimate, const Placement& placement) {
  const Job& job = estimate.request.job;
  const StageWork work = stage_work(job, placement, estimate.step.slowest_stage);
  const auto passes = static_cast<double>(micro_batches_per_chunk(job));
  Calls calls;
  for (const ChunkWork& chunk : work.chunks) {
    count(chunk.forward, passes, calls);
    count(chunk.backward, passes, calls);
  }
  count(work.tail, 1.0, calls);
  return calls;
}

std::string_view name_of(Part part) {
  switch (part) {
    case Part::compute:
      return "compute";
    case Part::recompute:
      return "recompute";
    case Part::tensor_parallel:
      return "tensor_parallel";
    case Part::context_parallel:
      return "context_parallel";
    case Part::expert_parallel:
      return "expert_parallel";
    case Part::data_parallel:
      return "data_parallel";
    case Part::optimizer:
      return "optimizer";
  }
  return {};
}

}  // namespace

std::vector<PricedOperation> priced_operations(const JobEstimate& estimate) {
  const EstimateRequest& request = estimate.request;
  const Cluster& cluster = request.hardware.cluster;
  const Job& job = request.job;
  const PriceList prices = prices_for(
      prices_of(request.hardware, request.strictness), job.recipe.precision, cluster.device);
  Pricing pricing(prices, job.recipe.software, request.overlap);
  const auto offload = tail_offload(job,
                                    stage_weights(job, estimate.step.slowest_stage),
                                    host_link_for(job.recipe.offload, cluster));
  std::vector<PricedOperation> operations;
  for (const auto& [what, times] : calls_of(estimate, placement_on(cluster, request.rank_order))) {
    std::visit(
        [&, times = times, part = what.second](const auto& key) {
          const Price price = tail_price(pricing, key, offload);
          operations.push_back({text_of(key), part, times, price.time, price.tier});
        },
        what.first);
  }
  std::ranges::stable_sort(operations, std::greater<>(), [](const PricedOperation& operation) {
    return operation.calls * operation.each;
  });
  return operations;
}

nlohmann::ordered_json to_json(const std::vector<PricedOperation>& operations) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const PricedOperation& operation : operations) {
    list.push_back({{"key", operation.key},
                    {"part", name_of(operation.part)},
                    {"calls", operation.calls},
                    {"time_s", operation.each.in(unit::second)},
                    {"total_s", (operation.calls * operation.each).in(unit::second)},
                    {"tier", name_of(operation.tier)}});
  }
  return list;
}

void print_operations(const std::vector<PricedOperation>& operations,
                      std::size_t most,
                      std::ostream& out) {
  const std::size_t shown = std::min(most, operations.size());
  out << fmt::format(
      "a rank's {} longest operations of {}, each by itself:\n", shown, operations.size());
  for (std::size_t i = 0; i < shown; ++i) {
    const PricedOperation& one = operations[i];
    out << fmt::format("  {:>10} = {:>7} x {:>9}  {:<12} {:<16} {}\n",
                       text_of(one.calls * one.each),
                       one.calls,
                       text_of(one.each),
                       name_of(one.tier),
                       name_of(one.part),
                       one.key);
  }
}

}  // namespace forerun
