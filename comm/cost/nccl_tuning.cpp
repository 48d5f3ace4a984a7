#include "comm/cost/nccl_tuning.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "comm/cost/double_binary_tree.hpp"
#include "comm/cost/group_placement.hpp"
#include "comm/cost/ring.hpp"
#include "comm/cost/switch_reduced.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

constexpr BytesPerSecond gigabytes_per_second(double value) {
  return value * unit::gigabyte / unit::second;
}

constexpr Seconds microseconds(double value) {
  return value * unit::microsecond;
}

// baseLatencies and hwLatencies of tuning.cc, in microseconds.
struct ProtocolLatency {
  double base = 0.0;
  double nvlink = 0.0;
  double pcie = 0.0;
  double network = 0.0;
};

using Latencies = std::array<ProtocolLatency, 3>;  // LL, LL128, Simple

constexpr Latencies ring_latencies{
    {{6.6, 0.6, 1.0, 2.7}, {14.0, 1.9, 2.5, 4.0}, {8.4, 3.4, 5.7, 14.0}}};
constexpr Latencies tree_latencies{
    {{6.8, 0.6, 1.0, 5.0}, {14.0, 1.25, 1.9, 8.5}, {8.4, 4.0, 4.0, 14.0}}};
constexpr double nvls_latency = 25.0;
constexpr double nvls_network_latency = 18.0;
constexpr double collnet_latency = 3.7;  // CollNetDirect
constexpr double collnet_network_latency = 31.0;

// What differs between architectures. `link_share`: NVLink rate per link that NCCL counts on, of
// the datasheet's 25, 25, 25 and 50 GB/s one way (20, 20, 20.6, 40.1). LL is limited by its host,
// llMaxBws at 1, 2, and 4 or more nodes.
struct Architecture {
  double link_share = 1.0;
  std::array<double, 3> most_ll{};  // GB/s
  double nvls_efficiency = 0.0;     // 0: there is none
};

constexpr std::array<Architecture, 4> architectures{{{0.800, {39.0, 39.0, 20.4}, 0.0},
                                                     {0.800, {87.7, 22.5, 19.0}, 0.0},
                                                     {0.824, {141.0, 45.0, 35.0}, 0.85},
                                                     {0.802, {282.0, 90.0, 70.0}, 0.74}}};

const Architecture& constants_of(const NcclMachine& machine) {
  return architectures.at(static_cast<std::size_t>(machine.architecture));
}

// Share of the channels' bandwidth that a protocol keeps: half of LL's bytes are flags, 1/16 of
// LL128's (0.92 with its overhead); of the tree's, LL keeps 1/3.8, LL128 7/9 in one node and
// 120/128 over several.
double ring_share(NcclProtocol protocol) {
  constexpr std::array<double, 3> shares{0.5, 0.92, 1.0};
  return shares.at(static_cast<std::size_t>(protocol));
}

double tree_share(NcclProtocol protocol, bool is_one_node) {
  const std::array<double, 3> shares{1.0 / 3.8, is_one_node ? 7.0 / 9.0 : 120.0 / 128.0, 1.0};
  return tree_bandwidth_fraction * shares.at(static_cast<std::size_t>(protocol));
}

BytesPerSecond most_ll(const NcclMachine& machine, std::int64_t nodes) {
  const std::size_t place = nodes == 1 ? 0 : (nodes <= 3 ? 1 : 2);
  return gigabytes_per_second(constants_of(machine).most_ll.at(place));
}

// A rank's thread blocks touch every chunk: n times where n-1 are sent on (2n-1 and 2(n-1) of an
// all-reduce), and that is not wholly hidden behind the link. In a node the time of a chunk is
// (0.8 touches + 1 transfer) / 1.8 of the link's, so that many ranks reach the link's rate. Fitted
// to all-gathers of 512 MiB over 2, 4 and 8 GPUs (aiconfigurator's tables, NCCL 2.27 and 2.29):
// 0.54 on H100, 0.78 on A100, 1.0 on B300. Without it (0) the error of the public tables above 16
// MiB is 20.6 % instead of 10.5.
constexpr double touch_share = 0.8;

double touches_per_payload(Collective op, double ranks) {
  return op == Collective::all_reduce ? (2.0 * ranks - 1.0) / ranks : 1.0;
}

Bytes inside_load(const CollectiveKey& key, Bytes payload, Bytes wire) {
  const double touches = touches_per_payload(key.op, static_cast<double>(key.group.ranks));
  return (wire + touch_share * touches * payload) / (1.0 + touch_share);
}

// One collective being priced: what is common to all algorithms.
struct Problem {
  CollectiveKey key;
  std::span<const LinkLevel> levels;
  NcclMachine machine;
  Bytes payload;
  std::int64_t nodes = 1;
};

BytesPerSecond inside_bandwidth(const Problem& problem) {
  const LinkLevel& inner = problem.levels.front();
  const double share =
      problem.machine.has_nvlink ? constants_of(problem.machine).link_share : inner.efficiency;
  return inner.bandwidth * (std::min(inner.efficiency, share) / inner.oversubscription);
}

double inside_step(const ProtocolLatency& latency, const NcclMachine& machine) {
  return machine.has_nvlink ? latency.nvlink : latency.pcie;
}

// Bytes over rate of the slowest level; `wire_of` gives the bytes out of one domain.
template <typename WireOf>
Seconds slowest_level(const Problem& problem, BytesPerSecond most, double share, WireOf wire_of) {
  Seconds slowest;
  for_each_crossing(problem.key.group, problem.levels, [&](const Crossing& level) {
    BytesPerSecond rate = share * level.rank_bandwidth * level.members;
    if (!level.leaves_node) {
      rate = std::min(most, share * inside_bandwidth(problem));
    }
    slowest = std::max(slowest, wire_of(level) / rate);
  });
  return slowest;
}

Seconds ring(const Problem& problem, NcclProtocol protocol) {
  const ProtocolLatency& latency = ring_latencies.at(static_cast<std::size_t>(protocol));
  const Traffic traffic = ring_traffic(problem.key.op, problem.payload, problem.key.group.ranks);
  const double passes = problem.key.op == Collective::all_reduce ? 2.0 : 1.0;
  const double between = problem.nodes > 1 ? passes * static_cast<double>(problem.nodes - 1) : 0.0;
  double steps =
      (traffic.steps - between) * inside_step(latency, problem.machine) + between * latency.network;
  // Rings of all-reduce over several nodes plateau in Simple.
  constexpr double plateau = 1.4;
  double base = latency.base;
  if (protocol == NcclProtocol::simple && problem.nodes > 1 && passes > 1.0) {
    steps *= plateau;
    base *= plateau;
  }
  const BytesPerSecond most = protocol == NcclProtocol::ll ? most_ll(problem.machine, problem.nodes)
                                                           : BytesPerSecond::infinite();
  return microseconds(base + steps) +
         slowest_level(problem, most, ring_share(protocol), [&](const Crossing& level) {
           return level.leaves_node ? traffic.wire
                                    : inside_load(problem.key, problem.payload, traffic.wire);
         });
}

Seconds tree(const Problem& problem, NcclProtocol protocol) {
  const ProtocolLatency& latency = tree_latencies.at(static_cast<std::size_t>(protocol));
  const auto chain = static_cast<double>(ceil_div(problem.key.group.ranks, problem.nodes));
  const double steps = 2.0 * ((chain - 1.0) * inside_step(latency, problem.machine) +
                              ceil_log2(problem.nodes) * latency.network);
  const Bytes wire = ring_traffic(problem.key.op, problem.payload, problem.key.group.ranks).wire;
  // NCCL counts both passes in full, of two and three nodes too, which need send only half and
  // three quarters: large messages go round the ring there.
  const Bytes up_and_down = 2.0 * problem.payload;
  const double share = tree_share(protocol, problem.nodes == 1);
  return microseconds(latency.base + steps) +
         slowest_level(problem, BytesPerSecond::infinite(), share, [&](const Crossing& level) {
           return level.leaves_node ? up_and_down : inside_load(problem.key, problem.payload, wire);
         });
}

std::int64_t members_of(const Problem& problem) {
  return ceil_div(problem.key.group.ranks, problem.nodes);
}

// What the network's switches add up: of each rank its scattered part, once up and once down.
Seconds reduced_between_nodes(const Problem& problem) {
  Seconds slowest;
  for_each_crossing(problem.key.group, problem.levels, [&](const Crossing& level) {
    if (level.leaves_node) {
      const Bytes wire = (1.0 + 1.0 / fan_in(level)) / level.members * problem.payload;
      slowest = std::max(slowest, wire / level.rank_bandwidth);
    }
  });
  return slowest;
}

bool network_reduces(const Problem& problem) {
  bool reduces = true;
  for_each_crossing(problem.key.group, problem.levels, [&](const Crossing& level) {
    reduces = reduces && (level.reduces || !level.leaves_node);
  });
  return reduces;
}

// NVLink SHARP; over several nodes with SHARP in the network behind it.
Seconds in_switch(const Problem& problem) {
  const Traffic traffic = switch_reduced_traffic(problem.payload, members_of(problem));
  const double efficiency = constants_of(problem.machine).nvls_efficiency;
  const Seconds inside = traffic.wire / (efficiency * inside_bandwidth(problem));
  const double network = problem.nodes > 1 ? nvls_network_latency : 0.0;
  return microseconds(nvls_latency + network) + std::max(inside, reduced_between_nodes(problem));
}

// SHARP in the network; inside the nodes parts are scattered before it and gathered after it.
Seconds in_network(const Problem& problem) {
  const Bytes wire =
      ring_traffic(Collective::all_reduce, problem.payload, members_of(problem)).wire;
  return microseconds(collnet_latency + collnet_network_latency) +
         std::max(wire / inside_bandwidth(problem), reduced_between_nodes(problem));
}

void consider(NcclChoice& best, NcclAlgorithm algorithm, NcclProtocol protocol, Seconds time) {
  if (time < best.time) {
    best = {time, algorithm, protocol};
  }
}

// Of two ranks NCCL reduces none in the switch.
void consider_switches(NcclChoice& best, const Problem& problem) {
  const bool has_network = problem.nodes > 1 && network_reduces(problem);
  if (problem.machine.reduces_in_switch && members_of(problem) > 2 &&
      (problem.nodes == 1 || has_network)) {
    consider(best, NcclAlgorithm::nvls, NcclProtocol::simple, in_switch(problem));
  }
  if (has_network) {
    consider(best, NcclAlgorithm::collnet, NcclProtocol::simple, in_network(problem));
  }
}

// All-to-all and send-receive are NCCL's point-to-point kernels: a message to every peer at once.
Seconds pairwise(const Problem& problem, NcclProtocol protocol) {
  const ProtocolLatency& latency = ring_latencies.at(static_cast<std::size_t>(protocol));
  const auto ranks = static_cast<double>(problem.key.group.ranks);
  const bool is_all = problem.key.op == Collective::all_to_all;
  const double messages = is_all ? ranks - 1.0 : 1.0;
  const auto within = static_cast<double>(problem.key.group.ranks_per_node);
  const double between = problem.nodes == 1 ? 0.0 : std::min(messages, ranks - within);
  const double steps =
      (messages - between) * inside_step(latency, problem.machine) + between * latency.network;
  const BytesPerSecond most = protocol == NcclProtocol::ll ? most_ll(problem.machine, problem.nodes)
                                                           : BytesPerSecond::infinite();
  return microseconds(latency.base + steps) +
         slowest_level(problem, most, ring_share(protocol), [&](const Crossing& level) {
           const Bytes sent =
               is_all ? problem.payload * ((ranks - level.members) / ranks) : problem.payload;
           // `slowest_level` gives a domain the rates of all its members: they all send.
           return level.leaves_node ? level.members * sent
                                    : inside_load(problem.key, problem.payload, sent);
         });
}

constexpr std::array every_protocol{NcclProtocol::ll, NcclProtocol::ll128, NcclProtocol::simple};

// Words of product names and what they are; longer names before those that they begin with.
constexpr auto products = std::to_array<std::pair<std::string_view, NcclArchitecture>>({
    {"GB300", NcclArchitecture::blackwell},
    {"GB200", NcclArchitecture::blackwell},
    {"B300", NcclArchitecture::blackwell},
    {"B200", NcclArchitecture::blackwell},
    {"B100", NcclArchitecture::blackwell},
    {"GH200", NcclArchitecture::hopper},
    {"H200", NcclArchitecture::hopper},
    {"H100", NcclArchitecture::hopper},
    {"H800", NcclArchitecture::hopper},
    {"H20", NcclArchitecture::hopper},
    {"A100", NcclArchitecture::ampere},
    {"A800", NcclArchitecture::ampere},
    {"A40", NcclArchitecture::ampere},
    {"L40S", NcclArchitecture::ampere},
    {"L40", NcclArchitecture::ampere},
    {"V100", NcclArchitecture::volta},
});

// `word` in `text`, not as a part of a longer word.
bool has_word(std::string_view text, std::string_view word) {
  const auto is_apart = [&](std::size_t place) {
    return place >= text.size() || std::isalnum(static_cast<unsigned char>(text[place])) == 0;
  };
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + 1)) {
    if ((at == 0 || is_apart(at - 1)) && is_apart(at + word.size())) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<NcclMachine> nccl_machine_of(std::string_view device_name) {
  for (const auto& [word, architecture] : products) {
    if (has_word(device_name, word)) {
      const bool has_nvlink =
          !has_word(device_name, "PCIe") && !word.starts_with("L40") && word != "A40";
      const bool reduces = has_nvlink && (architecture == NcclArchitecture::hopper ||
                                          architecture == NcclArchitecture::blackwell);
      return NcclMachine{architecture, has_nvlink, reduces};
    }
  }
  return std::nullopt;
}

NcclChoice nccl_choice(const CollectiveKey& key,
                       std::span<const LinkLevel> levels,
                       const NcclMachine& machine) {
  if (key.group.ranks <= 1) {
    return {};
  }
  const std::int64_t together =
      std::clamp<std::int64_t>(key.group.ranks_per_node, 1, key.group.ranks);
  const Problem problem{key,
                        levels,
                        machine,
                        static_cast<double>(key.bytes) * unit::byte,
                        ceil_div(key.group.ranks, together)};
  const bool is_point_to_point =
      key.op == Collective::all_to_all || key.op == Collective::send_recv;
  NcclChoice best{Seconds::infinite()};
  for (const NcclProtocol protocol : every_protocol) {
    if (is_point_to_point) {
      consider(best, NcclAlgorithm::pairwise, protocol, pairwise(problem, protocol));
      continue;
    }
    consider(best, NcclAlgorithm::ring, protocol, ring(problem, protocol));
    if (key.op == Collective::all_reduce) {
      consider(best, NcclAlgorithm::tree, protocol, tree(problem, protocol));
    }
  }
  if (key.op == Collective::all_reduce) {
    consider_switches(best, problem);
  }
  return best;
}

}  // namespace forerun
