#include "estimator/validate/predict_inference.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "estimator/capacity/search.hpp"
#include "estimator/capacity/serving_band.hpp"
#include "estimator/profile/price_book.hpp"
#include "estimator/validate/served_row.hpp"
#include "topologies/read_cluster.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

struct Hardware {
  Cluster cluster;
  PriceList prices;
};

class CatalogHardware {
 public:
  const Hardware& named(const std::string& name) {
    const auto found = known_.find(name);
    if (found != known_.end()) {
      return found->second;
    }
    Cluster cluster = read_cluster(name);
    PriceList prices = prices_from(cluster, Strictness::any_tier);
    return known_.emplace(name, Hardware{std::move(cluster), std::move(prices)}).first->second;
  }

 private:
  std::map<std::string, Hardware> known_;
};

// What the row measured of a batch, as a time; nothing where it states no batch or no result.
struct Published {
  Seconds time;
  std::string column;
};

std::optional<Published> published_of(const InferenceRow& row) {
  if (!row.batch) {
    return std::nullopt;
  }
  if (row.latency) {
    return Published{*row.latency, "latency_s"};
  }
  if (row.ttft) {
    return Published{*row.ttft, "ttft_ms"};
  }
  if (row.tpot) {
    return Published{*row.tpot, "tpot_ms"};
  }
  if (row.tokens_per_s_per_device && row.output_tokens) {
    const auto tokens = static_cast<double>(*row.batch * *row.output_tokens);
    const double rate = *row.tokens_per_s_per_device * static_cast<double>(row.devices);
    return Published{tokens / rate * unit::second, "tokens_per_s"};
  }
  return std::nullopt;
}

Workload workload_of(const InferenceRow& row) {
  Workload workload;
  workload.input_tokens = row.input_tokens.value_or(1);
  workload.output_tokens = row.output_tokens.value_or(1);
  return workload;
}

struct Predicted {
  Seconds time;
  double relative_error = 0.0;  ///< of the prices
};

Predicted predicted_time(const InferenceRow& row,
                         const Published& published,
                         const ServedModel& served,
                         const PriceList& prices) {
  const Workload workload = workload_of(row);
  if (published.column == "tpot_ms") {
    const ServingPoint point = decode_point(served, workload, *row.batch, prices);
    return {point.tpot, point.time.relative_error()};
  }
  const StaticBatch batch = static_batch(served, workload, *row.batch, prices);
  if (published.column == "ttft_ms") {
    return {batch.first_token, batch.first_token_error};
  }
  return {batch.latency, batch.latency_error};
}

ValidationRow stated_row(const InferenceRow& row,
                         const Published& published,
                         CatalogHardware& catalog) {
  ValidationRow result;
  result.id = row.id;
  result.published = published.time;
  result.published_from = published.column;
  result.groups = {row.source};
  try {
    ServedRow served = served_row(row);
    const Hardware& hardware = catalog.named(served.cluster);
    served.served.devices_per_node = hardware.cluster.devices_per_node;
    if (served.served.format.weights == ServingPrecision::nvfp4) {
      served.served.nvfp4 = nvfp4_rate(hardware.cluster.device);
    }
    result.groups = {fmt::format("{}, batch stated", serving_class_of(served.served.model)),
                     fmt::format("{}, {}, {}", row.source, row.gpu_family, row.phase)};
    result.layout = text_of(served.served.layout);
    result.assumed = served.assumed;
    if (!row.input_tokens) {
      result.assumed.emplace_back("input_len");
    }
    const Predicted predicted = predicted_time(row, published, served.served, hardware.prices);
    result.predicted = predicted.time;
    result.relative_error = predicted.relative_error;
    result.band = band_around(predicted.time,
                              serving_half_width(served.served.model, predicted.relative_error));
    result.tier = "catalog";
  } catch (const InputError& error) {
    result.skip_reason = error.what();
  }
  return result;
}

// Experts split as tensors over the row's ranks, and one group of experts a rank.
std::vector<ServingLayout> layouts_of(const ServedRow& row) {
  const ServingLayout stated = row.served.layout;
  std::vector<ServingLayout> layouts{stated};
  if (row.served.model.moe && stated.tensor > 1) {
    for (const ServingLayout& other : {ServingLayout{stated.tensor, stated.pipeline, stated.tensor},
                                       ServingLayout{1, stated.pipeline, stated.tensor}}) {
      if (!unservable_because(row.served.model, other)) {
        layouts.push_back(other);
      }
    }
  }
  return layouts;
}

ThroughputBound bound_of(const InferenceRow& row, CatalogHardware& catalog) {
  ThroughputBound bound;
  bound.id = row.id;
  bound.published = *row.tokens_per_s_per_device;
  bound.group = fmt::format("{} on {}", row.source, row.gpu_family);
  try {
    const ServedRow served = served_row(row);
    const Hardware& hardware = catalog.named(served.cluster);
    CapacityRequest request;
    request.model = served.served.model;
    request.format = served.served.format;
    request.software = served.served.software;
    request.workload = workload_of(row);
    request.devices = row.devices;
    request.layouts = layouts_of(served);
    const auto found = continuous_points(request, hardware.cluster, hardware.prices);
    if (found.points.empty()) {
      throw InputError("memory", "no sequence fits beside the weights");
    }
    const auto best = std::ranges::max_element(
        found.points, {}, [](const ServingPoint& p) { return p.tokens_per_s_per_device(); });
    bound.predicted = best->tokens_per_s_per_device();
    bound.layout = text_of(best->layout);
    bound.batch = best->batch;
    bound.group =
        fmt::format("{} on {}, {}", serving_class_of(request.model), row.gpu_family, row.precision);
  } catch (const InputError& error) {
    bound.skip_reason = error.what();
  }
  return bound;
}

ValidationRow unusable_row(const InferenceRow& row) {
  ValidationRow result;
  result.id = row.id;
  result.groups = {row.source};
  result.skip_reason = "states neither a batch with a time or a rate, nor lengths with a rate";
  return result;
}

}  // namespace

std::vector<DerivedTerm> serving_terms_of(const InferenceValidation& validation) {
  std::vector<TermObservation> observations;
  for (const ValidationRow& row : validation.stated.rows) {
    if (is_priced(row)) {
      const double ratio = *row.published / *row.predicted;
      // "dense, batch stated": the class stands first.
      const std::string& group = row.groups.front();
      observations.push_back({group.substr(0, group.find(',')),
                              source_family(row.groups.back()),
                              std::max(ratio, 1.0 / ratio) - 1.0,
                              row.relative_error});
    }
  }
  return derive_terms(observations);
}

InferenceValidation validate_inference(const std::vector<InferenceRow>& rows) {
  CatalogHardware catalog;
  InferenceValidation result;
  for (const InferenceRow& row : rows) {
    if (const auto published = published_of(row)) {
      result.stated.rows.push_back(stated_row(row, *published, catalog));
    } else if (row.tokens_per_s_per_device && row.input_tokens && row.output_tokens) {
      result.bounds.push_back(bound_of(row, catalog));
    } else {
      result.stated.rows.push_back(unusable_row(row));
    }
  }
  return result;
}

}  // namespace forerun
