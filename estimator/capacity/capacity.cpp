#include "estimator/capacity/capacity.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "estimator/capacity/search.hpp"
#include "estimator/capacity/serving_memory.hpp"
#include "jobs/parameter_count.hpp"
#include "units/input_error.hpp"
#include "units/integer.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

std::int64_t replicas_of(const ServingPoint& point, std::int64_t devices) {
  return devices / devices_of(point.layout);
}

// Among points that miss their limits equally little the one with most tokens in all.
const ServingPoint& best_of(const std::vector<ServingPoint>& points,
                            const CapacityRequest& request) {
  return *std::ranges::min_element(points, [&](const ServingPoint& a, const ServingPoint& b) {
    const double excess_a = excess(a, request.workload);
    const double excess_b = excess(b, request.workload);
    if (excess_a != excess_b) {
      return excess_a < excess_b;
    }
    return real(replicas_of(a, request.devices)) * a.tokens_per_s >
           real(replicas_of(b, request.devices)) * b.tokens_per_s;
  });
}

// The front is over speed and throughput: of points that keep the limit of the first token, where
// some do.
std::vector<ServingPoint> in_time(std::vector<ServingPoint> points, const Workload& workload) {
  const auto is_late = [&](const ServingPoint& point) {
    return workload.ttft && point.ttft > *workload.ttft;
  };
  if (!std::ranges::all_of(points, is_late)) {
    std::erase_if(points, is_late);
  }
  return points;
}

std::string memory_reason(const ServingPoint& nearest, const Cluster& cluster) {
  return text_of(nearest.layout) + " with " + std::to_string(nearest.batch) + " sequence" +
         (nearest.batch == 1 ? "" : "s") + " comes nearest and needs " +
         text_of(nearest.memory.total()) + " a device, of which " +
         text_of(usable_memory * cluster.device.memory) + " of " + text_of(cluster.device.memory) +
         " are usable";
}

std::string latency_reason(const ServingPoint& nearest, const Workload& workload) {
  std::string reason = text_of(nearest.layout) + " with " + std::to_string(nearest.batch) +
                       " sequence" + (nearest.batch == 1 ? "" : "s") + " comes nearest:";
  if (workload.ttft) {
    reason += " ttft " + text_of(nearest.ttft) + " of " + text_of(*workload.ttft);
  }
  if (workload.tpot) {
    reason += std::string(workload.ttft ? "," : "") + " tpot " + text_of(nearest.tpot) + " of " +
              text_of(*workload.tpot);
  }
  return reason;
}

InputError nothing_fits(const CapacityRequest& request,
                        const Cluster& cluster,
                        const SearchedPoints& found) {
  if (request.batch && found.most_sequences > 0) {
    return {"--batch",
            std::to_string(*request.batch) +
                " sequences fit no replica in memory, the largest holds " +
                std::to_string(found.most_sequences)};
  }
  return {"--devices",
          "no layout of " + request.model.name + " lies on " + std::to_string(request.devices) +
              " devices in nodes of " + std::to_string(cluster.devices_per_node)};
}

void serve_continuously(Capacity& capacity, const Cluster& cluster, const PriceList& prices) {
  const CapacityRequest& request = capacity.request;
  const SearchedPoints found = continuous_points(request, cluster, prices);
  capacity.considered = static_cast<std::int64_t>(found.points.size());
  if (found.points.empty() && found.lacks_room_for_prompts) {
    throw InputError(
        "--max-batched-tokens",
        std::to_string(request.workload.pass_tokens) + " tokens a pass are fewer than " +
            (request.batch ? std::to_string(*request.batch) + " sequences" : "sequences") +
            " bring and check in " + std::to_string(request.workload.input_tokens) + " for every " +
            std::to_string(request.workload.output_tokens) +
            " that they get (expected more, a smaller --batch or fewer --draft-tokens)");
  }
  if (found.points.empty()) {
    if (!found.nearest_in_memory) {
      throw nothing_fits(request, cluster, found);
    }
    capacity.decode.point = *found.nearest_in_memory;
    capacity.infeasible_because = memory_reason(*found.nearest_in_memory, cluster);
  } else {
    capacity.decode.point = best_of(found.points, request);
    capacity.pareto = pareto_front(in_time(found.points, request.workload));
    if (excess(capacity.decode.point, request.workload) > 1.0) {
      capacity.infeasible_because = latency_reason(capacity.decode.point, request.workload);
    }
  }
  const ServingPoint& point = capacity.decode.point;
  capacity.decode.replicas = replicas_of(point, request.devices);
  capacity.tokens_per_s = real(capacity.decode.replicas) * point.tokens_per_s;
  capacity.ttft = point.ttft;
}

struct PoolSizes {
  std::int64_t prefill = 0;
  std::int64_t decode = 0;
  double tokens_per_s = 0.0;
};

// How long a prompt waits at most, as a share of a prefill pass: for half of the sequences that the
// decoders hold.
double longest_wait(const ServingPoint& prefill,
                    const ServingPoint& decode,
                    const PoolSizes& sizes) {
  return 0.5 * real(decode.batch * sizes.decode) / real(sizes.prefill * prefill.batch);
}

// The most that the prefill pool may be loaded for its M/D/1 queue, load / (2 (1 - load)) of a
// pass, to leave first tokens within their limit. 1 where even the longest wait does, and where no
// load would.
double allowed_load(const ServingPoint& prefill,
                    const ServingPoint& decode,
                    const PoolSizes& sizes,
                    const Workload& workload) {
  if (!workload.ttft || prefill.ttft >= *workload.ttft) {
    return 1.0;
  }
  constexpr double rounding = 1.0 - 1e-9;
  const double wait = (*workload.ttft - prefill.ttft) / prefill.time.total();
  return longest_wait(prefill, decode, sizes) <= wait ? 1.0
                                                      : rounding * 2.0 * wait / (1.0 + 2.0 * wait);
}

// With so many prefill replicas and decoders on the other devices: output tokens are those of the
// slower pool.
PoolSizes sized(const ServingPoint& prefill,
                const ServingPoint& decode,
                std::int64_t replicas,
                const CapacityRequest& request) {
  const std::int64_t left = request.devices - replicas * devices_of(prefill.layout);
  PoolSizes sizes{replicas, left / devices_of(decode.layout), 0.0};
  if (sizes.decode > 0) {
    const double load = allowed_load(prefill, decode, sizes, request.workload);
    sizes.tokens_per_s = std::min(load * real(replicas) * prefill.tokens_per_s,
                                  real(sizes.decode) * decode.tokens_per_s);
  }
  return sizes;
}

// As many prefill replicas as serve most. More of them prefill more and decode less: the best lie
// where both rates meet, which a search of halves finds; around it, since replicas are whole.
PoolSizes pool_sizes(const ServingPoint& prefill,
                     const ServingPoint& decode,
                     const CapacityRequest& request) {
  const auto prefills_less = [&](std::int64_t replicas) {
    const PoolSizes sizes = sized(prefill, decode, replicas, request);
    return sizes.decode > 0 && sizes.tokens_per_s < real(sizes.decode) * decode.tokens_per_s;
  };
  std::int64_t low = 1;
  std::int64_t high = request.devices / devices_of(prefill.layout);
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (prefills_less(middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  constexpr std::int64_t around = 8;
  PoolSizes best;
  const std::int64_t last = std::min(low + around, request.devices / devices_of(prefill.layout));
  for (std::int64_t replicas = std::max<std::int64_t>(1, low - around); replicas <= last;
       ++replicas) {
    const PoolSizes sizes = sized(prefill, decode, replicas, request);
    if (sizes.tokens_per_s > best.tokens_per_s) {
      best = sizes;
    }
  }
  return best;
}

// Mean wait of an M/D/1 queue at the prefill pool, whose replicas share the load.
Seconds pool_wait(const ServingPoint& prefill, const ServingPoint& decode, const PoolSizes& sizes) {
  const double load = sizes.tokens_per_s / (real(sizes.prefill) * prefill.tokens_per_s);
  const double bound = longest_wait(prefill, decode, sizes);
  const double open = load < 1.0 ? load / (2.0 * (1.0 - load)) : bound;
  return std::min(open, bound) * prefill.time.total();
}

struct JoinedPools {
  const ServingPoint* prefill = nullptr;
  ServingPoint decode;
  PoolSizes sizes;
  ServingPoint seen;  ///< of the decoder: the rates and latencies of both pools together
};

// A decoder with the prefill pool that feeds it, the rate shared by all devices.
JoinedPools joined(const ServingPoint& prefill,
                   const ServingPoint& decode,
                   const CapacityRequest& request) {
  JoinedPools pools{&prefill, decode, pool_sizes(prefill, decode, request), decode};
  if (pools.sizes.decode > 0) {
    pools.seen.ttft = prefill.ttft + pool_wait(prefill, decode, pools.sizes);
    pools.seen.tokens_per_s =
        pools.sizes.tokens_per_s * real(devices_of(decode.layout)) / real(request.devices);
  }
  return pools;
}

// Among pairs that miss their limits equally little the one with most tokens in all.
const JoinedPools& best_of(const std::vector<JoinedPools>& pools, const Workload& workload) {
  return *std::ranges::min_element(pools, [&](const JoinedPools& a, const JoinedPools& b) {
    const double excess_a = excess(a.seen, workload);
    const double excess_b = excess(b.seen, workload);
    return excess_a != excess_b ? excess_a < excess_b : a.sizes.tokens_per_s > b.sizes.tokens_per_s;
  });
}

// Of each decoder the pool that feeds it best.
std::vector<JoinedPools> joined_pools(const std::vector<ServingPoint>& prefill,
                                      const std::vector<ServingPoint>& decode,
                                      const CapacityRequest& request) {
  std::vector<JoinedPools> pools;
  for (const ServingPoint& point : decode) {
    std::vector<JoinedPools> fed;
    for (const ServingPoint& feeding : prefill) {
      if (const JoinedPools both = joined(feeding, point, request); both.sizes.decode > 0) {
        fed.push_back(both);
      }
    }
    if (!fed.empty()) {
      pools.push_back(best_of(fed, request.workload));
    }
  }
  return pools;
}

void serve_in_pools(Capacity& capacity, const Cluster& cluster, const PriceList& prices) {
  const CapacityRequest& request = capacity.request;
  CapacityRequest latency_of_prefill = request;
  latency_of_prefill.workload.tpot.reset();
  const SearchedPoints decode = decode_points(request, cluster, prices);
  const SearchedPoints prefill = prefill_points(latency_of_prefill, cluster, prices);
  capacity.considered = static_cast<std::int64_t>(decode.points.size() + prefill.points.size());
  if (decode.points.empty() || prefill.points.empty()) {
    const SearchedPoints& lacking = decode.points.empty() ? decode : prefill;
    if (!lacking.nearest_in_memory) {
      throw nothing_fits(request, cluster, lacking);
    }
    const ServingPoint& nearest = *lacking.nearest_in_memory;
    capacity.decode = {nearest, replicas_of(nearest, request.devices)};
    capacity.infeasible_because = memory_reason(nearest, cluster);
    return;
  }
  const std::vector<JoinedPools> pools = joined_pools(prefill.points, decode.points, request);
  if (pools.empty()) {
    const ServingPoint& prefilling = best_of(prefill.points, latency_of_prefill);
    capacity.decode = {best_of(decode.points, request), 0};
    capacity.prefill = Pool{prefilling, 0};
    capacity.infeasible_because = "two pools of " + text_of(prefilling.layout) + " and " +
                                  text_of(capacity.decode.point.layout) + " need more than " +
                                  std::to_string(request.devices) + " devices";
    return;
  }
  const JoinedPools& best = best_of(pools, request.workload);
  capacity.decode = {best.decode, best.sizes.decode};
  capacity.prefill = Pool{*best.prefill, best.sizes.prefill};
  capacity.tokens_per_s = best.sizes.tokens_per_s;
  capacity.ttft = best.seen.ttft;
  std::vector<ServingPoint> seen;
  std::ranges::transform(pools, std::back_inserter(seen), &JoinedPools::seen);
  capacity.pareto = pareto_front(in_time(std::move(seen), request.workload));
  if (excess(best.seen, request.workload) > 1.0) {
    capacity.infeasible_because = latency_reason(best.seen, request.workload);
  }
}

// forecasting.md A: machines at the training utilisation, 2 N FLOP a generated token.
void count_by_flop(Capacity& capacity, const Cluster& cluster) {
  const CapacityRequest& request = capacity.request;
  const auto peak = cluster.device.peak.find(activation_type(request.format.weights));
  if (peak == cluster.device.peak.end()) {
    capacity.notes.emplace_back("no count by FLOP: the cluster states no peak for " +
                                std::string(name_of(activation_type(request.format.weights))));
    return;
  }
  const double per_token = 2.0 * capacity.active_parameters;
  const double rate = real(request.devices) * peak->second.in(unit::flop / unit::second);
  FlopCount& count = capacity.by_flop;
  count.tokens_per_s = request.training_mfu * rate / per_token;
  count.human_equivalents = count.tokens_per_s / request.person.tokens_per_s();
  count.utilisation = capacity.tokens_per_s * per_token / rate;
  count.ratio = capacity.tokens_per_s > 0.0 ? count.tokens_per_s / capacity.tokens_per_s : 0.0;
}

void count_money_and_power(Capacity& capacity, const Cluster& cluster) {
  const double devices = real(capacity.request.devices);
  if (cluster.economics.price_per_device_hour && capacity.tokens_per_s > 0.0) {
    const double usd_per_s =
        devices * cluster.economics.price_per_device_hour->in(unit::dollar) / 3600.0;
    capacity.usd_per_million_tokens = usd_per_s / capacity.tokens_per_s * 1e6;
  } else if (!cluster.economics.price_per_device_hour) {
    capacity.notes.emplace_back("no price of tokens: the cluster states no price_per_device_hour");
  }
  const Power& power = cluster.power;
  if (cluster.device.power && power.server_per_device && power.pue && capacity.copies > 0.0) {
    capacity.watts_per_copy = devices * cluster.device.power->in(unit::watt) *
                              *power.server_per_device * *power.pue / capacity.copies;
  } else if (capacity.copies > 0.0) {
    capacity.notes.emplace_back(
        "no watts per copy: the cluster states no power, server_per_device or pue");
  }
}

void note_idle_devices(Capacity& capacity) {
  std::int64_t used = capacity.decode.replicas * devices_of(capacity.decode.point.layout);
  if (capacity.prefill) {
    used += capacity.prefill->replicas * devices_of(capacity.prefill->point.layout);
  }
  if (used < capacity.request.devices) {
    capacity.notes.emplace_back(std::to_string(capacity.request.devices - used) +
                                " devices stay idle: replicas do not fill them");
  }
}

}  // namespace

Capacity serve(const CapacityRequest& request, const Cluster& cluster, const PriceList& prices) {
  Capacity capacity;
  capacity.request = request;
  capacity.active_parameters = real(count_parameters(request.model).active);
  if (request.serving == Serving::continuous) {
    serve_continuously(capacity, cluster, prices);
  } else {
    serve_in_pools(capacity, cluster, prices);
  }
  capacity.copies = real(capacity.decode.replicas * capacity.decode.point.batch);
  if (capacity.prefill && capacity.decode.replicas > 0) {
    // Where the prefill pool is the slower one the decoders are not full.
    const double most = real(capacity.decode.replicas) * capacity.decode.point.tokens_per_s;
    capacity.copies *= capacity.tokens_per_s / most;
  }
  capacity.human_equivalents = capacity.tokens_per_s / request.person.tokens_per_s();
  count_by_flop(capacity, cluster);
  count_money_and_power(capacity, cluster);
  note_idle_devices(capacity);
  return capacity;
}

}  // namespace forerun
