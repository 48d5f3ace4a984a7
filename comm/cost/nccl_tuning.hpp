// NCCL's own cost model: its published constants, and its choice of algorithm and protocol.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "comm/collective_key.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

enum class NcclArchitecture { volta, ampere, hopper, blackwell };
enum class NcclAlgorithm { ring, tree, nvls, collnet, pairwise };
enum class NcclProtocol { ll, ll128, simple };

/// What NCCL's constants depend on besides the links' rates.
struct NcclMachine {
  NcclArchitecture architecture = NcclArchitecture::hopper;
  bool has_nvlink = true;         ///< inside a node; else PCIe
  bool reduces_in_switch = true;  ///< NVLink SHARP, from Hopper on and unless switched off
};

/// The architecture of an NVIDIA product, by a word of its name ("NVIDIA H100 SXM 80 GB"); nothing
/// for other makers' devices and for products that this list lacks.
[[nodiscard]] std::optional<NcclMachine> nccl_machine_of(std::string_view device_name);

struct NcclChoice {
  Seconds time;
  NcclAlgorithm algorithm = NcclAlgorithm::ring;
  NcclProtocol protocol = NcclProtocol::simple;
};

/// The fastest algorithm and protocol by NCCL's model, time = latency + bytes / bandwidth
/// (NVIDIA/nccl 2.30.7, src/graph/tuning.cc; modelling.md 3.3). Rates are the levels': inside a
/// node at most the share of the link that NCCL counts on, between nodes as they are. Latencies are
/// NCCL's, not the levels'. NVLS and CollNet over several nodes where all levels between them
/// reduce in their switches; trees of switch-reduced nodes and PAT are left out. Zero for one rank.
[[nodiscard]] NcclChoice nccl_choice(const CollectiveKey& key,
                                     std::span<const LinkLevel> levels,
                                     const NcclMachine& machine);

}  // namespace forerun
