// How long one price takes from the catalog's profiles: `plan` asks for tens of them for each of
// 200,000 layouts a second.
#include <benchmark/benchmark.h>

#include "estimator/profile/price_book.hpp"
#include "topologies/read_cluster.hpp"

namespace forerun {
namespace {

void set_up_prices(benchmark::State& state) {
  const Cluster cluster = read_cluster("dgx-h100");
  for (auto _ : state) {
    benchmark::DoNotOptimize(prices_from(cluster, Strictness::any_tier));
  }
}

// `key_of(i)` for i from 0 to 4095, so that no two neighbours are alike.
template <typename KeyOf>
void price_kernels(benchmark::State& state, KeyOf key_of) {
  const PriceList prices = prices_from(read_cluster("dgx-h100"), Strictness::any_tier);
  std::int64_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(prices.kernel(key_of(++i % 4096)));
  }
}

KernelKey product(std::int64_t i) {
  return {KernelOp::gemm, DataType::bf16, GemmShape{1024 + i, 4096, 8192}};
}

KernelKey grouped_product(std::int64_t i) {
  return {KernelOp::grouped_gemm, DataType::bf16, GroupedGemmShape{64, 8192 + i, 400, 2048, 7168}};
}

KernelKey attention(std::int64_t i) {
  return {KernelOp::attention_forward, DataType::bf16, AttentionKeyShape{1, 1024 + i, 32, 8, 128}};
}

KernelKey addition(std::int64_t i) {
  return {KernelOp::add, DataType::bf16, RowsShape{1024 + i, 4096}};
}

void price_a_collective(benchmark::State& state) {
  const PriceList prices = prices_from(read_cluster("dgx-h100"), Strictness::any_tier);
  CollectiveKey key{Collective::all_reduce, 1000000, DataType::bf16, {8, 8, 1}};
  for (auto _ : state) {
    ++key.bytes;
    benchmark::DoNotOptimize(prices.collective(key));
  }
}

BENCHMARK(set_up_prices)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(price_kernels, product, product);
BENCHMARK_CAPTURE(price_kernels, grouped_product, grouped_product);
BENCHMARK_CAPTURE(price_kernels, attention, attention);
BENCHMARK_CAPTURE(price_kernels, addition, addition);
BENCHMARK(price_a_collective);

}  // namespace
}  // namespace forerun

BENCHMARK_MAIN();
