// What a device gets of a level of links, by how its devices are joined and who talks to whom.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "topologies/cluster.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// "switch", "torus", "mesh", "dragonfly", in the order of LinkKind.
[[nodiscard]] const std::vector<std::string>& link_kind_names();
[[nodiscard]] std::string_view name_of(LinkKind kind);

/// Rates of one device, one direction, for a group of `members` that this level joins; efficiency
/// and oversubscription are not in them. `members` is clamped to 2 ... what the level joins.
///
/// Traffic between neighbours on rings: all-gather, reduce-scatter, all-reduce, broadcast.
///  - switch: the device's bandwidth W.
///  - torus of d axes, so W / 2d a port: two ports of every axis that the group fills, one where
///    the axis does not wrap; a group that fills no axis lies on a line and has one. On a ring of n
///    an all-gather of N bytes then takes N / (2 W_port) (modelling.md 3.6, JAX scaling book).
///  - mesh of n devices: the links to the other members, W (members - 1) / (n - 1).
///  - dragonfly: half of W: two groups have few links, and routing around them by a third group
///    crosses two (Valiant; modelling.md 3.6).
[[nodiscard]] BytesPerSecond ring_bandwidth(const LinkLevel& level, std::int64_t members);

/// All-to-all, counted as bytes that a device sends to others.
///  - torus: 8 W_port / n on a ring of n (a message goes n/4 links far on average, on 2 ports),
///  half
///    of it on a line; the longest axis decides, and no more than the ring's rate. So an all-to-all
///    takes a quarter of an all-gather's time (modelling.md 3.6).
///  - switch and dragonfly: W, as the traffic is spread over all links; mesh: as on rings.
[[nodiscard]] BytesPerSecond all_to_all_bandwidth(const LinkLevel& level, std::int64_t members);

/// One message between two devices: a mesh gives it one link, W / (n - 1), a torus one port.
[[nodiscard]] BytesPerSecond pair_bandwidth(const LinkLevel& level);

}  // namespace forerun
