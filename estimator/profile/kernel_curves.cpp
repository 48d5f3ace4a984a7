#include "estimator/profile/kernel_curves.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr std::size_t neighbours = 8;  // modelling.md 10.5: the best of the methods
const double reach = std::log(16.0);   // sizes further apart are another regime

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double square = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    square += (a[i] - b[i]) * (a[i] - b[i]);
  }
  return std::sqrt(square);
}

}  // namespace

std::vector<double> log_sizes(const KernelKey& key) {
  std::vector<double> logs;
  for (const std::int64_t size : sizes_of(key)) {
    logs.push_back(std::log(static_cast<double>(std::max<std::int64_t>(size, 1))));
  }
  return logs;
}

bool same_family(const KernelKey& a, const KernelKey& b) {
  if (a.op != b.op || a.type != b.type) {
    return false;
  }
  if (const auto* gemm = std::get_if<GemmShape>(&a.shape)) {
    const auto& other = std::get<GemmShape>(b.shape);
    return gemm->layout == other.layout && gemm->output == other.output;
  }
  if (const auto* grouped = std::get_if<GroupedGemmShape>(&a.shape)) {
    const auto& other = std::get<GroupedGemmShape>(b.shape);
    return grouped->layout == other.layout && grouped->output == other.output;
  }
  if (const auto* attention = std::get_if<AttentionKeyShape>(&a.shape)) {
    return attention->mask == std::get<AttentionKeyShape>(b.shape).mask;
  }
  return true;
}

bool is_matrix_work(KernelOp op) {
  return op == KernelOp::gemm || op == KernelOp::grouped_gemm ||
         op == KernelOp::attention_forward || op == KernelOp::attention_backward ||
         op == KernelOp::ssd_forward || op == KernelOp::ssd_backward;
}

double work_amount(const KernelKey& key) {
  return is_matrix_work(key.op) ? hardware_flops(key).in(unit::flop)
                                : minimum_traffic(key).in(unit::byte);
}

std::optional<Seconds> interpolated_time(const KernelKey& key,
                                         const std::vector<KernelRecord>& records,
                                         const KernelRecord* without) {
  const auto sizes = log_sizes(key);
  std::vector<std::pair<double, double>> nearest;  // distance, log(rate)
  for (const KernelRecord& record : records) {
    if (&record == without || !same_family(record.key, key)) {
      continue;
    }
    const double away = distance(sizes, log_sizes(record.key));
    if (away <= reach) {
      nearest.emplace_back(
          away, std::log(work_amount(record.key) / record.timing.median.in(unit::second)));
    }
  }
  if (nearest.empty()) {
    return std::nullopt;
  }
  std::ranges::sort(nearest);
  nearest.resize(std::min(nearest.size(), neighbours));
  double weights = 0.0;
  double sum = 0.0;
  for (const auto& [away, log_rate] : nearest) {
    const double weight = 1.0 / (away * away + 1e-6);
    weights += weight;
    sum += weight * log_rate;
  }
  return work_amount(key) / std::exp(sum / weights) * unit::second;
}

}  // namespace forerun
