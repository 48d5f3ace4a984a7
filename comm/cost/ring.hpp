// Ring: all-reduce, all-gather, reduce-scatter; a broadcast is its pipelined chain.
#pragma once

#include <span>

#include "comm/collective_key.hpp"
#include "comm/cost/traffic.hpp"
#include "topologies/cluster.hpp"

namespace forerun {

/// Of n ranks and S bytes: all-reduce 2(n-1) steps and 2(n-1)/n S, all-gather and reduce-scatter
/// n-1 and (n-1)/n S: the least that any algorithm sends (Patarasuk and Yuan 2009). Broadcast n-1
/// and S, in chunks so small that the pipeline's fill is its latency (modelling.md 3.1).
[[nodiscard]] Traffic ring_traffic(Collective op, Bytes payload, std::int64_t ranks);

/// NCCL's flat multi-ring over nested levels (modelling.md 3.1, 3.3): of the steps, those that
/// cross a level are as many as the domains that it joins less those that it leaves. The rings
/// together carry `wire` bytes out of every rank and, because each ring enters and leaves a domain
/// once, out of every domain: T = sum(steps * alpha) + max over levels of wire / (members * W).
/// NVLink and network overlap fully.
[[nodiscard]] Seconds ring_time(const CollectiveKey& key, std::span<const LinkLevel> levels);

}  // namespace forerun
