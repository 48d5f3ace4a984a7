#include "estimator/measure/slow_ranks.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "topologies/median.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr double slow_factor = 1.2;
constexpr std::size_t least_kernels = 3;
// Below it the cost of a launch is what differs.
constexpr Seconds shortest = 10.0 * unit::microsecond;

// Of every kernel that all ranks ran: the rank's time over that of the lower middle one.
std::vector<double> factors_of(std::size_t rank,
                               const std::vector<KernelRecord>& kernels,
                               std::size_t ranks) {
  std::vector<double> factors;
  for (const KernelRecord& record : kernels) {
    std::vector<Seconds> medians = record.timing.rank_medians;
    if (medians.size() != ranks || *std::ranges::min_element(medians) < shortest) {
      continue;
    }
    const Seconds own = medians[rank];
    const auto middle = medians.begin() + static_cast<std::ptrdiff_t>((ranks - 1) / 2);
    std::ranges::nth_element(medians, middle);
    factors.push_back(own / *middle);
  }
  return factors;
}

}  // namespace

std::vector<std::string> slow_ranks(const std::vector<KernelRecord>& kernels,
                                    const std::vector<std::string>& hosts) {
  std::vector<std::string> sentences;
  for (std::size_t rank = 0; hosts.size() > 1 && rank < hosts.size(); ++rank) {
    const std::vector<double> factors = factors_of(rank, kernels, hosts.size());
    if (factors.size() < least_kernels) {
      continue;
    }
    if (const double factor = median_of(factors); factor > slow_factor) {
      sentences.push_back(fmt::format(
          "straggler: rank {} on {} takes {:.1f} times as long as the middle rank (median over "
          "{} kernels): every step waits for it",
          rank,
          hosts[rank],
          factor,
          factors.size()));
    }
  }
  return sentences;
}

}  // namespace forerun
