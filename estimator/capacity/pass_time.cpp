#include "estimator/capacity/pass_time.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// Rows from which a product runs at its full rate, and the sizes of one that does.
constexpr std::int64_t full_rows = 4096;

KernelKey with_columns(const KernelKey& key, std::int64_t n) {
  KernelKey other = key;
  if (auto* gemm = std::get_if<GemmShape>(&other.shape)) {
    gemm->n = n;
  } else if (auto* grouped = std::get_if<GroupedGemmShape>(&other.shape)) {
    grouped->n = n;
  }
  return other;
}

// The same weights for so few rows that reading them is all that counts.
KernelKey of_few_rows(const KernelKey& key) {
  KernelKey other = key;
  if (auto* gemm = std::get_if<GemmShape>(&other.shape)) {
    gemm->m = 1;
  } else if (auto* grouped = std::get_if<GroupedGemmShape>(&other.shape)) {
    grouped->rows = grouped->groups;
    grouped->largest = 1;
  }
  return other;
}

struct ProductShape {
  std::int64_t rows;
  std::int64_t n;
  std::int64_t k;
};

ProductShape shape_of(const KernelKey& key) {
  if (const auto* grouped = std::get_if<GroupedGemmShape>(&key.shape)) {
    return {grouped->rows, grouped->n, grouped->k};
  }
  const auto& gemm = std::get<GemmShape>(key.shape);
  return {gemm.m, gemm.n, gemm.k};
}

Tier at_best_fitted(Tier tier) {
  return std::max(tier, Tier::fitted);
}

Price weight_product_price(const KernelKey& key,
                           const ServedModel& served,
                           const PriceList& prices) {
  const ServingPrecision weights = served.format.weights;
  const double ratio = size_of(weights) / size_of(key.type);
  const Price plain = prices.kernel(key);
  if (ratio == 1.0) {
    return plain;
  }
  const ProductShape shape = shape_of(key);
  const auto columns =
      std::max<std::int64_t>(1, std::llround(std::ceil(static_cast<double>(shape.n) * ratio)));
  const KernelKey narrow = with_columns(key, columns);
  if (weights == ServingPrecision::nvfp4) {
    Price price = narrow_price(plain, key, served.nvfp4.value());
    price.time = std::max(price.time, prices.kernel(of_few_rows(narrow)).time);
    return price;
  }
  const Price moved = prices.kernel(narrow);
  const KernelKey full{KernelOp::gemm, key.type, GemmShape{full_rows, shape.n, shape.k}};
  const Price computed = prices.kernel(full);
  const Seconds compute =
      static_cast<double>(shape.rows) / static_cast<double>(full_rows) * computed.time;
  const Price& longer = moved.time > compute ? moved : computed;
  return {std::max(moved.time, compute), at_best_fitted(longer.tier), longer.relative_error};
}

Price cache_price(const CacheRead& read, DataType type, const PriceList& prices) {
  const Price moved = prices.kernel(read.key);
  const KernelKey product{KernelOp::gemm, type, GemmShape{full_rows, full_rows, full_rows}};
  const Price reference = prices.kernel(product);
  const Seconds compute = reference.time * (read.flop / hardware_flops(product));
  if (compute <= moved.time) {
    return moved;
  }
  return {compute, at_best_fitted(reference.tier), reference.relative_error};
}

void add(PassTime& sum, const ServingOp& op, const Price& price) {
  const Seconds time = op.count * price.time;
  sum.parts.at(static_cast<std::size_t>(op.part)) += time;
  sum.tiers.at(static_cast<std::size_t>(price.tier)) += time;
  sum.error_s += time.in(unit::second)*price.relative_error;
}

double launches_of(const ServingOp& op, const ServingSoftware& software) {
  const auto* const kernel = std::get_if<KernelKey>(&op.work);
  const auto* const read = std::get_if<CacheRead>(&op.work);
  if (kernel == nullptr && read == nullptr) {
    return 1.0;
  }
  return launches_of(kernel != nullptr ? kernel->op : read->key.op, software);
}

Price collective_price(const CollectiveKey& key,
                       const ServingSoftware& software,
                       const PriceList& prices) {
  Price price = prices.collective(key);
  if (software.launch && prices.launched) {
    price.time = std::max(price.time, prices.launched(key));
  }
  return price;
}

PassTime sum_of(const std::vector<ServingOp>& ops,
                const ServedModel& served,
                const PriceList& prices) {
  PassTime sum;
  for (const ServingOp& op : ops) {
    add(sum, op, price_of(op, served, prices));
    // One launch for however many prompts.
    sum.launches += launches_of(op, served.software);
  }
  return sum;
}

struct AlikeLayers {
  LayerKind kind;
  std::int64_t first = 0;
  std::int64_t count = 0;
};

// Layers of one kind cost alike.
std::vector<AlikeLayers> alike_layers(const ModelShape& model) {
  std::vector<AlikeLayers> groups;
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    const LayerKind kind = kind_of(model, layer);
    const auto found = std::ranges::find(groups, kind, &AlikeLayers::kind);
    if (found == groups.end()) {
      groups.push_back({kind, layer, 1});
    } else {
      ++found->count;
    }
  }
  return groups;
}

PassTime boundary_time(const ServedModel& served, const PassShape& pass, const PriceList& prices) {
  PassTime sum;
  if (served.layout.pipeline > 1) {
    const ServingOp message{ServingPart::exchange, stage_boundary(served, pass)};
    add(sum, message, price_of(message, served, prices));
    sum.launches += 1.0;
  }
  return sum;
}

// Fewer than stages where there are fewer sequences.
std::int64_t waves_of(const ServedModel& served, const PassShape& pass) {
  return std::clamp<std::int64_t>(pass.decodes, 1, served.layout.pipeline);
}

// The slowest stage: most layers, embedding and head, and its message.
PassTime stage_time(const ServedModel& served, const PassShape& wave, const PriceList& prices) {
  const std::int64_t stages = served.layout.pipeline;
  const std::int64_t most = (served.model.layers + stages - 1) / stages;
  PassTime stage = layers_time(served, wave, prices);
  stage.scale(static_cast<double>(most) / static_cast<double>(served.model.layers));
  stage += edge_time(served, wave, prices);
  stage += boundary_time(served, wave, prices);
  add_host_wait(stage, served.software);
  return stage;
}

}  // namespace

PassTime& PassTime::operator+=(const PassTime& other) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    parts[i] += other.parts[i];
  }
  for (std::size_t i = 0; i < tiers.size(); ++i) {
    tiers[i] += other.tiers[i];
  }
  error_s += other.error_s;
  launches += other.launches;
  return *this;
}

void PassTime::scale(double factor) {
  for (Seconds& part : parts) {
    part *= factor;
  }
  for (Seconds& tier : tiers) {
    tier *= factor;
  }
  error_s *= factor;
  launches *= factor;
}

Seconds PassTime::total() const {
  Seconds sum;
  for (const Seconds part : parts) {
    sum += part;
  }
  return sum;
}

double PassTime::relative_error() const {
  const double seconds = total().in(unit::second);
  return seconds > 0.0 ? error_s / seconds : 0.0;
}

Price price_of(const ServingOp& op, const ServedModel& served, const PriceList& prices) {
  if (const auto* kernel = std::get_if<KernelKey>(&op.work)) {
    return prices.kernel(*kernel);
  }
  if (const auto* product = std::get_if<WeightProduct>(&op.work)) {
    return weight_product_price(product->key, served, prices);
  }
  if (const auto* read = std::get_if<CacheRead>(&op.work)) {
    return cache_price(*read, activation_type(served.format.weights), prices);
  }
  return collective_price(std::get<CollectiveKey>(op.work), served.software, prices);
}

void add_host_wait(PassTime& pass, const ServingSoftware& software) {
  if (!software.launch) {
    return;
  }
  const Seconds wait = std::max(Seconds(), pass.launches * *software.launch - pass.total());
  // Launch times are stated as ranges of a factor of two to either side.
  constexpr double launch_error = 0.5;
  pass.parts.at(static_cast<std::size_t>(ServingPart::host)) += wait;
  pass.tiers.at(static_cast<std::size_t>(Tier::datasheet)) += wait;
  pass.error_s += launch_error * wait.in(unit::second);
}

PassTime layers_time(const ServedModel& served, const PassShape& pass, const PriceList& prices) {
  PassTime sum;
  for (const AlikeLayers& group : alike_layers(served.model)) {
    PassTime one = sum_of(layer_ops(served, pass, group.first), served, prices);
    one.scale(static_cast<double>(group.count));
    sum += one;
  }
  return sum;
}

PassTime edge_time(const ServedModel& served, const PassShape& pass, const PriceList& prices) {
  return sum_of(edge_ops(served, pass), served, prices);
}

PassShape wave_of(const ServedModel& served, const PassShape& pass) {
  PassShape wave = pass;
  if (served.layout.pipeline > 1) {
    const std::int64_t waves = waves_of(served, pass);
    wave.decodes = (pass.decodes + waves - 1) / waves;
    wave.prompts = pass.prompts / static_cast<double>(waves);
  }
  return wave;
}

PassTime iteration_time(const ServedModel& served, const PassShape& pass, const PriceList& prices) {
  const std::int64_t stages = served.layout.pipeline;
  const std::int64_t idle = served.software.flows ? 0 : waves_of(served, pass) - 1;
  PassTime stage = stage_time(served, wave_of(served, pass), prices);
  stage.scale(static_cast<double>(stages + idle));
  return stage;
}

PassTime batch_prefill_time(const ServedModel& served,
                            const PassShape& pass,
                            const PriceList& prices) {
  const auto stages = static_cast<double>(served.layout.pipeline);
  const double waves = std::min(stages, std::floor(pass.prompts));
  if (waves < 2.0) {
    return prefill_time(served, pass, prices);
  }
  PassShape wave = pass;
  wave.prompts = std::ceil(pass.prompts / waves);
  PassTime stage = stage_time(served, wave, prices);
  stage.scale(stages + waves - 1.0);
  return stage;
}

PassTime prefill_time(const ServedModel& served, const PassShape& pass, const PriceList& prices) {
  PassTime sum = layers_time(served, pass, prices);
  sum += edge_time(served, pass, prices);
  PassTime sent = boundary_time(served, pass, prices);
  sent.scale(static_cast<double>(served.layout.pipeline - 1));
  sum += sent;
  add_host_wait(sum, served.software);
  return sum;
}

}  // namespace forerun
