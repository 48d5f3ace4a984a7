#include "estimator/rehearse/prediction.hpp"

#include <utility>
#include <variant>

#include "estimator/rehearse/context_copies.hpp"
#include "estimator/step/pipeline_schedule.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

// The kernels of the forward passes of the stage that the parts of the estimate belong to.
Seconds forward_kernels(const EstimateRequest& request,
                        const StepEstimate& estimate,
                        const PriceList& prices) {
  const Placement placement = placement_on(request.hardware.cluster, request.rank_order);
  Pricing pricing(prices, request.job.recipe.software, request.overlap);
  const StageWork work = stage_work(request.job, placement, estimate.slowest_stage);
  Seconds sum;
  for (const ChunkWork& chunk : work.chunks) {
    for (const WorkItem& item : chunk.forward) {
      if (const auto* const kernel = std::get_if<KernelWork>(&item.work)) {
        sum += pricing.of(kernel->key).time;
      }
    }
  }
  return static_cast<double>(micro_batches(request.job)) * sum;
}

// Prices of kernels as they run in a chain: the products and what stands between them. The
// optimizer's passes over flat buffers are no part of a layer.
PriceList in_a_chain(PriceList prices, double factor) {
  prices.kernel = [alone = std::move(prices.kernel), factor](const KernelKey& key) {
    Price price = alone(key);
    if (!std::holds_alternative<FlatShape>(key.shape)) {
      price.time *= factor;
    }
    return price;
  };
  return prices;
}

PriceList at_speed(PriceList prices, double factor) {
  prices.kernel = [profiled = std::move(prices.kernel), factor](const KernelKey& key) {
    Price price = profiled(key);
    price.time *= factor;
    return price;
  };
  if (prices.attention) {
    prices.attention = [profiled = std::move(prices.attention), factor](const KernelKey& key,
                                                                        AttentionMethod method) {
      Price price = profiled(key, method);
      price.time *= factor;
      return price;
    };
  }
  return prices;
}

// As copies of a million numbers are priced where the host is the device; a GPU's numbers come over
// its link, which no profile holds. Nothing where that takes a measurement that is missing.
Seconds cutting_time(const EstimateRequest& request, const PriceList& prices) {
  constexpr std::int64_t piece = 1 << 20;
  const double numbers = context_copies(request.job);
  if (numbers == 0.0 || request.hardware.cluster.device.is_gpu()) {
    return {};
  }
  try {
    const KernelKey copy{KernelOp::copy, DataType::fp32, FlatShape{piece}};
    return numbers / static_cast<double>(piece) * prices.kernel(copy).time;
  } catch (const InputError&) {
    return {};
  }
}

}  // namespace

PredictedRun predict_run(const EstimateRequest& request,
                         const ModelShape& whole,
                         const std::optional<MachineSpeed>& speed) {
  const PriceList profiled = prices_of(request.hardware, request.strictness);
  const PriceList prices = speed ? at_speed(profiled, speed->factor) : profiled;
  PredictedRun run;
  run.speed = speed;
  run.job = request.job;
  run.overlap = request.overlap;
  run.estimate = estimate_job(request, prices).step;
  run.forward = forward_kernels(request, run.estimate, prices);
  run.whole_layers = whole.layers;
  EstimateRequest planned = request;
  planned.job.model = whole;
  run.planned = whole.layers == request.job.model.layers
                    ? predicted_step(run)
                    : total_of(estimate_job(planned, prices).step.breakdown);
  const Seconds cutting = cutting_time(request, prices);
  run.estimate.breakdown.host += cutting;
  run.as_profiled = speed ? total_of(estimate_job(request, profiled).step.breakdown) +
                                cutting_time(request, profiled)
                          : predicted_step(run);
  run.fitted = predicted_step(run);
  if (request.hardware.profile && request.hardware.profile->layer_factor) {
    run.factor = request.hardware.profile->layer_factor->factor();
    run.fitted =
        total_of(estimate_job(request, in_a_chain(prices, *run.factor)).step.breakdown) + cutting;
  }
  return run;
}

}  // namespace forerun
