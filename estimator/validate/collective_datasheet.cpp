#include "estimator/validate/collective_datasheet.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include "comm/collective_cost.hpp"
#include "comm/cost/nccl_tuning.hpp"
#include "topologies/read_cluster.hpp"

namespace forerun {
namespace {

// Words of letters and digits, in capitals: "A100-80GB DGX" is A100, 80GB, DGX.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) {
      words.back() += static_cast<char>(std::toupper(byte));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  return words;
}

const std::vector<Cluster>& catalog() {
  static const std::vector<Cluster> clusters = [] {
    std::vector<Cluster> read;
    for (const std::string& name : catalog_clusters()) {
      read.push_back(read_cluster(name));
    }
    return read;
  }();
  return clusters;
}

// The cluster whose device has a product's word, letters and digits both, in its name.
const Cluster* cluster_with(const std::string& device) {
  for (const std::string& word : words_of(device)) {
    const bool is_product = !word.empty() &&
                            std::isalpha(static_cast<unsigned char>(word.front())) != 0 &&
                            word.find_first_of("0123456789") != std::string::npos;
    if (!is_product) {
      continue;
    }
    for (const Cluster& cluster : catalog()) {
      const auto names = words_of(cluster.device.name);
      if (std::ranges::find(names, word) != names.end()) {
        return &cluster;
      }
    }
  }
  return nullptr;
}

bool is_joined_in_pairs(const std::string& device) {
  const auto words = words_of(device);
  return std::ranges::find(words, "PAIRWISE") != words.end();
}

}  // namespace

std::variant<Seconds, std::string> datasheet_time(const PublicCollective& timing) {
  const Cluster* const cluster = cluster_with(timing.device);
  if (cluster == nullptr) {
    return "the catalog has no datasheet of '" + timing.device + "'";
  }
  const GroupShape& group = timing.key.group;
  if (is_joined_in_pairs(timing.device) && group.ranks > 2) {
    return std::string("links beyond a pair are not on the datasheet");
  }
  LinkLevel inside = cluster->levels.front();
  inside.efficiency = 1.0;
  std::vector<LinkLevel> levels{inside};
  if (group.ranks_per_node < group.ranks) {
    if (!timing.network || *timing.network >= inside.bandwidth) {
      return std::string("the row does not state the network's rate");
    }
    LinkLevel network;
    network.name = "network";
    network.devices = group.ranks;
    network.bandwidth = *timing.network;
    network.latency = cluster->levels.back().latency;
    levels.push_back(network);
    // A group has the adapters of its own ranks.
    levels.front().devices = group.ranks_per_node;
  }
  auto machine = nccl_machine_of(cluster->device.name);
  if (!machine) {
    return collective_time(timing.key, levels);
  }
  machine->reduces_in_switch &= !timing.is_switch_reduction_off;
  return nccl_choice(timing.key, levels, *machine).time;
}

}  // namespace forerun
