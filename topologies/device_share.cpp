#include "topologies/device_share.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <stdexcept>
#include <utility>

namespace forerun {

std::vector<BytesPerSecond> device_shares(std::span<const PairDistance> pairs,
                                          std::span<const std::string> hosts) {
  const auto host_of = [&](std::int64_t rank) {
    if (rank < 0 || rank >= std::ssize(hosts)) {
      throw std::out_of_range("a rank without a host");
    }
    return hosts[static_cast<std::size_t>(rank)];
  };

  std::map<std::pair<std::string, std::string>, BytesPerSecond> slowest;
  for (const PairDistance& pair : pairs) {
    std::string first = host_of(pair.first);
    std::string second = host_of(pair.second);
    if (second < first) {
      std::swap(first, second);
    }
    const auto [found, is_new] = slowest.try_emplace({first, second}, pair.bandwidth);
    found->second = std::min(found->second, pair.bandwidth);
  }
  std::vector<BytesPerSecond> shares;
  shares.reserve(slowest.size());
  for (const auto& [both, rate] : slowest) {
    shares.push_back(rate);
  }
  return shares;
}

}  // namespace forerun
