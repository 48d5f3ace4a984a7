#include "estimator/capacity/search.hpp"

#include <algorithm>
#include <cmath>

#include "estimator/capacity/serving_memory.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

Bytes usable_of(const Cluster& cluster) {
  return usable_memory * cluster.device.memory;
}

std::vector<ServingLayout> layouts_of(const CapacityRequest& request, const Cluster& cluster) {
  if (request.layouts.empty()) {
    return servable_layouts(request.model, request.devices, cluster.devices_per_node);
  }
  for (const ServingLayout& layout : request.layouts) {
    if (const auto reason = unservable_because(request.model, layout)) {
      throw InputError("--layout", *reason);
    }
  }
  return request.layouts;
}

ServedModel served_on(const CapacityRequest& request,
                      const Cluster& cluster,
                      const ServingLayout& layout) {
  ServedModel served{
      request.model, request.format, layout, cluster.devices_per_node, request.speculation};
  served.software = request.software;
  if (request.format.weights == ServingPrecision::nvfp4) {
    served.nvfp4 = nvfp4_rate(cluster.device);
  }
  return served;
}

void keep_nearest(SearchedPoints& found, const ServingPoint& point) {
  if (!found.nearest_in_memory || point.memory.total() < found.nearest_in_memory->memory.total()) {
    found.nearest_in_memory = point;
  }
}

// Batches of one layout: what the user asks for, or all sizes that fit.
std::vector<std::int64_t> batches_of(const CapacityRequest& request,
                                     const ServingLayout& layout,
                                     std::int64_t most) {
  const std::int64_t unit = attention_groups(layout);
  if (!request.batch) {
    return batch_sizes(most, unit);
  }
  if (*request.batch > most || *request.batch < unit) {
    return {};
  }
  return {*request.batch / unit * unit};
}

template <class MakePoint>
SearchedPoints points_of(const CapacityRequest& request,
                         const Cluster& cluster,
                         MakePoint make_point) {
  SearchedPoints found;
  for (const ServingLayout& layout : layouts_of(request, cluster)) {
    const ServedModel served = served_on(request, cluster, layout);
    const std::int64_t most = most_sequences(served, request.workload, usable_of(cluster));
    found.most_sequences = std::max(found.most_sequences, most);
    const auto batches = batches_of(request, layout, most);
    if (batches.empty()) {
      const std::int64_t least = std::max(attention_groups(layout), request.batch.value_or(1));
      if (const auto point = make_point(served, least)) {
        keep_nearest(found, *point);
      }
    }
    for (const std::int64_t batch : batches) {
      if (const auto point = make_point(served, batch)) {
        found.points.push_back(*point);
      } else {
        found.lacks_room_for_prompts = true;
      }
    }
  }
  return found;
}

}  // namespace

SearchedPoints continuous_points(const CapacityRequest& request,
                                 const Cluster& cluster,
                                 const PriceList& prices) {
  return points_of(request, cluster, [&](const ServedModel& served, std::int64_t batch) {
    return continuous_point(served, request.workload, batch, prices);
  });
}

SearchedPoints decode_points(const CapacityRequest& request,
                             const Cluster& cluster,
                             const PriceList& prices) {
  return points_of(request, cluster, [&](const ServedModel& served, std::int64_t batch) {
    return std::optional(decode_point(served, request.workload, batch, prices));
  });
}

SearchedPoints prefill_points(const CapacityRequest& request,
                              const Cluster& cluster,
                              const PriceList& prices) {
  SearchedPoints found;
  for (const ServingLayout& layout : layouts_of(request, cluster)) {
    const ServedModel served = served_on(request, cluster, layout);
    const ServingPoint point = prefill_point(served, request.workload, prices);
    if (point.memory.total() <= usable_of(cluster)) {
      found.points.push_back(point);
    } else {
      keep_nearest(found, point);
    }
  }
  return found;
}

double excess(const ServingPoint& point, const Workload& workload) {
  double worst = 1.0;
  if (workload.ttft) {
    worst = std::max(worst, point.ttft / *workload.ttft);
  }
  if (workload.tpot) {
    worst = std::max(worst, point.tpot / *workload.tpot);
  }
  return worst;
}

std::vector<ServingPoint> pareto_front(std::vector<ServingPoint> points) {
  std::ranges::sort(points, [](const ServingPoint& a, const ServingPoint& b) {
    const double rate_a = a.tokens_per_s_per_device();
    const double rate_b = b.tokens_per_s_per_device();
    return rate_a != rate_b ? rate_a > rate_b : a.tpot < b.tpot;
  });
  std::vector<ServingPoint> front;
  for (const ServingPoint& point : points) {
    if (front.empty() || point.tpot < front.back().tpot) {
      front.push_back(point);
    }
  }
  return front;
}

std::vector<std::int64_t> batch_sizes(std::int64_t most, std::int64_t unit) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t size = 1; size * unit <= most; size *= 2) {
    sizes.push_back(size * unit);
    if (size > 1 && size / 2 * 3 * unit <= most) {
      sizes.push_back(size / 2 * 3 * unit);
    }
  }
  const std::int64_t last = most / unit * unit;
  if (last > 0 && (sizes.empty() || sizes.back() != last)) {
    sizes.push_back(last);
  }
  std::ranges::sort(sizes);
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

}  // namespace forerun
