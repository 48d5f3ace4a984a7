#include "topologies/level_rates.hpp"

#include <algorithm>

namespace forerun {
namespace {

double count(std::int64_t n) {
  return static_cast<double>(n);
}

BytesPerSecond port_bandwidth(const LinkLevel& level) {
  return level.bandwidth / (2.0 * static_cast<double>(level.axes.size()));
}

// How far a group of `members` reaches along each axis, the first axis filled first.
std::vector<std::int64_t> extents(const LinkLevel& level, std::int64_t members) {
  std::vector<std::int64_t> reached;
  std::int64_t left = members;
  for (const std::int64_t axis : level.axes) {
    if (left <= 1) {
      break;
    }
    reached.push_back(std::min(axis, left));
    left = (left + axis - 1) / axis;
  }
  return reached;
}

bool is_ring(const LinkLevel& level, std::size_t axis, std::int64_t extent) {
  return level.wraps && extent == level.axes[axis] && extent > 2;
}

BytesPerSecond torus_rings(const LinkLevel& level, std::int64_t members) {
  const auto reached = extents(level, members);
  double ports = 0.0;
  for (std::size_t axis = 0; axis < reached.size(); ++axis) {
    if (reached[axis] == level.axes[axis]) {
      ports += is_ring(level, axis, reached[axis]) ? 2.0 : 1.0;
    }
  }
  return std::max(ports, 1.0) * port_bandwidth(level);
}

BytesPerSecond torus_all_to_all(const LinkLevel& level, std::int64_t members) {
  BytesPerSecond rate = torus_rings(level, members);
  const auto reached = extents(level, members);
  for (std::size_t axis = 0; axis < reached.size(); ++axis) {
    const double links = is_ring(level, axis, reached[axis]) ? 8.0 : 4.0;
    rate = std::min(rate, links / count(reached[axis]) * port_bandwidth(level));
  }
  return rate;
}

}  // namespace

const std::vector<std::string>& link_kind_names() {
  static const std::vector<std::string> names{"switch", "torus", "mesh", "dragonfly"};
  return names;
}

std::string_view name_of(LinkKind kind) {
  return link_kind_names()[static_cast<std::size_t>(kind)];
}

BytesPerSecond ring_bandwidth(const LinkLevel& level, std::int64_t members) {
  const std::int64_t joined =
      std::clamp<std::int64_t>(members, 2, std::max<std::int64_t>(level.devices, 2));
  switch (level.kind) {
    case LinkKind::switched:
      break;
    case LinkKind::torus:
      return torus_rings(level, joined);
    case LinkKind::mesh:
      return level.bandwidth *
             (count(joined - 1) / count(std::max<std::int64_t>(level.devices - 1, 1)));
    case LinkKind::dragonfly:
      return 0.5 * level.bandwidth;
  }
  return level.bandwidth;
}

BytesPerSecond all_to_all_bandwidth(const LinkLevel& level, std::int64_t members) {
  switch (level.kind) {
    case LinkKind::torus:
      return torus_all_to_all(
          level, std::clamp<std::int64_t>(members, 2, std::max<std::int64_t>(level.devices, 2)));
    case LinkKind::mesh:
      return ring_bandwidth(level, members);
    case LinkKind::switched:
    case LinkKind::dragonfly:
      break;
  }
  return level.bandwidth;
}

BytesPerSecond pair_bandwidth(const LinkLevel& level) {
  switch (level.kind) {
    case LinkKind::torus:
      return port_bandwidth(level);
    case LinkKind::mesh:
      return level.bandwidth / count(std::max<std::int64_t>(level.devices - 1, 1));
    case LinkKind::switched:
    case LinkKind::dragonfly:
      break;
  }
  return level.bandwidth;
}

}  // namespace forerun
