#include "estimator/profile/catalog_prices.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

// The peak of a table's format; A100 has no fp8, a user's device may lack any.
std::optional<FlopsPerSecond> peak_of(const DeviceSpec& device, DataType type) {
  const auto found = device.peak.find(type);
  return found == device.peak.end() ? std::nullopt : std::optional(found->second);
}

// Formats of one width run alike on tensor cores: fp16 as bf16, e5m2 as e4m3.
DataType twin_of(DataType type) {
  switch (type) {
    case DataType::fp16:
      return DataType::bf16;
    case DataType::fp8_e5m2:
      return DataType::fp8_e4m3;
    default:
      return type;
  }
}

std::optional<KernelOp> op_from(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(KernelOp::selective_scan_backward); ++i) {
    const auto op = static_cast<KernelOp>(i);
    if (name_of(op) == name) {
      return op;
    }
  }
  return std::nullopt;
}

// Read and written, in fp32.
Bytes bytes_of_sums(std::int64_t groups, std::int64_t rows, std::int64_t columns) {
  return 2.0 * static_cast<double>(groups) * static_cast<double>(rows) *
         static_cast<double>(columns) * static_cast<double>(element_bytes(DataType::fp32)) *
         unit::byte;
}

}  // namespace

CatalogPrices::CatalogPrices(const DeviceSpec& device, const DeviceProfile& profile)
    : layouts_(profile.layouts.value_or(LayoutFactors())),
      memory_bandwidth_(device.memory_bandwidth) {
  for (const GemmTable& table : profile.gemm) {
    if (const auto peak = peak_of(device, table.type)) {
      products_.emplace(table.type,
                        Products{GemmLattice(table, *peak, device.memory_bandwidth), table.error});
    }
  }
  const auto peak = peak_of(device, DataType::bf16);
  std::map<std::string, std::vector<AttentionRate>> by_method;
  for (const AttentionRate& rate : profile.attention) {
    by_method[rate.method].push_back(rate);
  }
  for (const auto& [method, rates] : by_method) {
    if (peak) {
      attention_.emplace(method, AttentionCurves(rates, *peak));
    }
  }
  const auto scaled = [&device](const RowsRate& rate) {
    return Rows{rate.launch, rate.byte_fraction * device.memory_bandwidth, rate.error};
  };
  for (const RowsRate& rate : profile.rows) {
    for (const std::string& kernel : rate.kernels) {
      if (const auto op = op_from(kernel)) {
        rows_.emplace(*op, scaled(rate));
      }
    }
  }
  if (profile.memory) {
    memory_ = scaled(*profile.memory);
  }
}

const CatalogPrices::Products* CatalogPrices::products_of(DataType type) const {
  const auto found = products_.find(twin_of(type));
  return found == products_.end() ? nullptr : &found->second;
}

Price CatalogPrices::product_price(const Products& products,
                                   GemmLayout layout,
                                   Seconds forward) const {
  if (layout == GemmLayout::nt) {
    return {forward, Tier::fitted, products.error};
  }
  const double factor = layout == GemmLayout::tn ? layouts_.wgrad : layouts_.dgrad;
  // Below 1 the factor of a median must not lift a product above the peak.
  return {
      std::max(factor, 1.0) * forward, Tier::fitted, std::hypot(products.error, layouts_.error)};
}

Seconds CatalogPrices::adding_time(const Products& products, const ProductSizes& sizes) const {
  if (layouts_.sums_on_top) {
    return *layouts_.sums_on_top * bytes_of_sums(1, sizes.m, sizes.n) / memory_bandwidth_;
  }
  const Products* const wide = products_of(DataType::bf16);
  const GemmLattice& lattice = wide == nullptr ? products.lattice : wide->lattice;
  return std::max(layouts_.wgrad_accumulate - 1.0, 0.0) * lattice.time(sizes);
}

std::optional<Price> CatalogPrices::price_of(const KernelKey& key, const GemmShape& s) const {
  const Products* const products = products_of(key.type);
  if (products == nullptr) {
    return std::nullopt;
  }
  const ProductSizes sizes{s.m, s.n, s.k};
  const Seconds forward = products->lattice.time(sizes);
  Price price = product_price(*products, s.layout, forward);
  if (s.output == GemmOutput::accumulate_fp32) {
    price.time = std::max(price.time, forward + adding_time(*products, sizes));
    price.relative_error = std::hypot(products->error, layouts_.error);
  }
  return price;
}

// An expert's weight gradient is a sum over few rows, which is added, tile by tile, to what earlier
// micro-batches left when nothing of the tile is left to multiply: reading and writing come on top.
// Of TransformerEngine's general_grouped_gemm on a B200 (20 timings in fp32, 128 to 9,832 rows an
// expert: MooreThreads/SimuMax, b200_bf16_ceperm.json) with them beside the product 14 % mean error
// and 13 % too fast, on top and this often 5.6 %: some of what is read was written just before.
constexpr double moved_on_top = 0.83;

// The experts' products fill the device together, as one product with all their rows would, but
// every expert's weights are read.
std::optional<Price> CatalogPrices::price_of(const KernelKey& key,
                                             const GroupedGemmShape& s) const {
  const Products* const products = products_of(key.type);
  if (products == nullptr) {
    return std::nullopt;
  }
  const GemmLattice& lattice = products->lattice;
  const ProductSizes rows{std::max<std::int64_t>(s.rows, 1), s.n, s.k};
  ProductSizes all = rows;
  if (s.layout == GemmLayout::nn) {
    all = {rows.m, s.k, s.n};
  } else if (s.layout == GemmLayout::tn) {
    all = {s.groups * s.n, s.k, std::max<std::int64_t>(s.rows / s.groups, 1)};
  }
  if (s.layout != GemmLayout::tn || s.output == GemmOutput::store) {
    return product_price(*products, s.layout, lattice.grouped_time(all, minimum_traffic(key)));
  }
  const Bytes sums = bytes_of_sums(s.groups, s.n, s.k);
  const Seconds multiplied = lattice.grouped_time(rows, minimum_traffic(key) - sums);
  return product_price(
      *products, s.layout, multiplied + lattice.streaming_time(moved_on_top * sums));
}

// Attention that stores its scores: its two products are batches of [queries x keys x head size],
// launched at once, priced as one product with the rows of all of them; softmax moves bytes.
std::optional<Price> CatalogPrices::price_of(const KernelKey& key,
                                             const AttentionKeyShape& s) const {
  const std::int64_t rows = s.batch * s.heads * s.length;
  const auto stored_product = [&](ProductSizes sizes, GemmLayout layout) -> std::optional<Price> {
    const Products* products = products_of(key.type);
    if (products == nullptr) {
      return std::nullopt;
    }
    // Backward kernels do two of them.
    const double count = hardware_flops(key).in(unit::flop) /
                         (2.0 * static_cast<double>(sizes.m) * static_cast<double>(sizes.n) *
                          static_cast<double>(sizes.k));
    return product_price(
        *products,
        layout,
        count * products->lattice.grouped_time(sizes, (1.0 / count) * minimum_traffic(key)));
  };
  switch (key.op) {
    case KernelOp::attention_forward:
    case KernelOp::attention_backward:
      return attention(key, AttentionMethod::flash);
    case KernelOp::scores_forward:
    case KernelOp::scores_backward:
      return stored_product({rows, key_length(s), s.head_size}, GemmLayout::nt);
    case KernelOp::context_forward:
    case KernelOp::context_backward:
      return stored_product({rows, value_size(s), key_length(s)}, GemmLayout::nn);
    default:
      return rows_price(key);
  }
}

std::optional<Price> CatalogPrices::attention(const KernelKey& key, AttentionMethod method) const {
  if (twin_of(key.type) != DataType::bf16) {
    return std::nullopt;
  }
  constexpr auto methods = std::to_array<std::pair<AttentionMethod, std::string_view>>(
      {{AttentionMethod::flash_1, "flash-1"},
       {AttentionMethod::flash_2, "flash-2"},
       {AttentionMethod::flash, ""}});
  bool is_reached = false;
  for (const auto& [known, name] : methods) {
    is_reached = is_reached || known == method;
    if (const auto found = attention_.find(name); is_reached && found != attention_.end()) {
      return found->second.price(key);
    }
  }
  return std::nullopt;
}

std::optional<Price> CatalogPrices::price_of(const KernelKey& /*key*/, const SsdShape& /*s*/) {
  return std::nullopt;
}

std::optional<Price> CatalogPrices::price_of(const KernelKey& /*key*/, const DeltaShape& /*s*/) {
  return std::nullopt;
}

template <typename Shape>
std::optional<Price> CatalogPrices::price_of(const KernelKey& key, const Shape& /*s*/) const {
  return rows_price(key);
}

std::optional<Price> CatalogPrices::rows_price(const KernelKey& key) const {
  const auto found = rows_.find(key.op);
  const Rows* const rows = found != rows_.end() ? &found->second : (memory_ ? &*memory_ : nullptr);
  if (rows == nullptr) {
    return std::nullopt;
  }
  return Price{rows->launch + minimum_traffic(key) / rows->bandwidth, Tier::fitted, rows->error};
}

std::optional<Price> CatalogPrices::price(const KernelKey& key) const {
  return std::visit([this, &key](const auto& shape) { return this->price_of(key, shape); },
                    key.shape);
}

Seconds CatalogPrices::quantise_time(const KernelKey& key) const {
  const auto* const shape = std::get_if<GemmShape>(&key.shape);
  const Products* const products = products_of(key.type);
  if (shape == nullptr || products == nullptr) {
    return {};
  }
  return products->lattice.quantise_time({shape->m, shape->n, shape->k});
}

}  // namespace forerun
