#include "estimator/profile/curve_transfer.hpp"

#include <algorithm>
#include <cmath>

namespace forerun {
namespace {

bool is_inside_node(const CurveId& id) {
  return id.group.ranks_per_node >= id.group.ranks;
}

CollectiveKey unit_key(const CurveId& id) {
  return {id.op, 1, id.type, id.group};
}

// What the bytes of one payload load: inside a node the transfer and, at 0.8 of it, the passes
// through the thread blocks (comm/cost/nccl_tuning.cpp has the fit of that share). Out of a node
// the wire per rank; the geometric mean of one NIC a rank and one a node, for from curves alone
// neither is known.
double load_of(const CurveId& id) {
  const auto ranks = static_cast<double>(id.group.ranks);
  const double wire = wire_bytes(unit_key(id));
  if (is_inside_node(id)) {
    constexpr double touch_share = 0.8;
    const double touches = id.op == Collective::all_reduce ? (2.0 * ranks - 1.0) / ranks : 1.0;
    return wire + touch_share * touches;
  }
  const auto members = static_cast<double>(std::max<std::int64_t>(1, id.group.ranks_per_node));
  return wire * std::sqrt(static_cast<double>(id.group.concurrent) / members);
}

// alpha(n) = alpha0 + alpha1 steps of a ring, or alpha0 + alpha2 log2(nodes) of an all-reduce's
// tree, the lower of the two (modelling.md 3.5). Relative sizes are those of NCCL in LL128, which
// lies between LL and Simple (modelling.md 3.3), in microseconds.
double latency_weight(const CurveId& id) {
  constexpr double base = 14.0;
  constexpr double ring_inside = 1.9;
  constexpr double ring_network = 4.0;
  constexpr double tree_inside = 1.25;
  constexpr double tree_network = 8.5;
  const double steps = ring_steps(unit_key(id));
  if (is_inside_node(id)) {
    return base + ring_inside * steps;
  }
  const auto members = static_cast<double>(std::max<std::int64_t>(1, id.group.ranks_per_node));
  const double nodes = static_cast<double>(id.group.ranks) / members;
  const double between = steps * (nodes - 1.0) / std::max(1.0, nodes * members - 1.0);
  const double ring = base + ring_inside * (steps - between) + ring_network * between;
  if (id.op != Collective::all_reduce) {
    return ring;
  }
  const double tree =
      base + 2.0 * ((members - 1.0) * tree_inside + std::log2(nodes) * tree_network);
  return std::min(ring, tree);
}

// Of what a collective takes at this size, in seconds, the part that a single message does without:
// with the square root of the bytes grows the filling of a ring's or tree's pipeline (SizeLaw).
double ramp_that_is_lost(const CurveId& from,
                         const SizeCurve& curve,
                         const CurveId& to,
                         double log_bytes) {
  const bool is_lost = to.op == Collective::send_recv && from.op != Collective::send_recv;
  return is_lost && curve.law() ? curve.law()->seconds_per_root_byte * std::exp(0.5 * log_bytes)
                                : 0.0;
}

// `from` at this size, made into `to`.
double scaled(const CurveId& from, const SizeCurve& curve, const CurveId& to, double log_bytes) {
  const double whole = std::exp(curve.at(log_bytes));
  const double latency = std::min(curve.latency_s(), whole);
  const double transfer =
      std::max(0.0, whole - latency - ramp_that_is_lost(from, curve, to, log_bytes));
  return std::log(latency * latency_weight(to) / latency_weight(from) +
                  transfer * load_of(to) / load_of(from));
}

double log2_ratio(std::int64_t a, std::int64_t b) {
  return std::abs(std::log2(static_cast<double>(std::max<std::int64_t>(1, a)) /
                            static_cast<double>(std::max<std::int64_t>(1, b))));
}

double op_distance(Collective a, Collective b) {
  const auto is_one_half = [](Collective op) {
    return op == Collective::all_gather || op == Collective::reduce_scatter;
  };
  const auto is_point_to_point = [](Collective op) {
    return op == Collective::all_to_all || op == Collective::send_recv;
  };
  if (a == b) {
    return 0.0;
  }
  if (is_one_half(a) && is_one_half(b)) {
    return 0.4;
  }
  return is_point_to_point(a) || is_point_to_point(b) ? 1.5 : 1.0;
}

double group_distance(const CurveId& a, const CurveId& b) {
  const auto nodes = [](const GroupShape& group) {
    return group.ranks / std::max<std::int64_t>(1, group.ranks_per_node);
  };
  return log2_ratio(a.group.ranks, b.group.ranks) + log2_ratio(nodes(a.group), nodes(b.group)) +
         0.5 * log2_ratio(a.group.concurrent, b.group.concurrent);
}

// A mean of guesses, each with the inverse square of a distance as its weight.
class WeightedMean {
 public:
  void add(double value, double distance, double factor) {
    constexpr double least = 0.1;
    const double weight = factor / ((distance + least) * (distance + least));
    sum_ += weight * value;
    weights_ += weight;
  }

  [[nodiscard]] std::optional<double> value() const {
    return weights_ > 0.0 ? std::optional<double>(sum_ / weights_) : std::nullopt;
  }

 private:
  double sum_ = 0.0;
  double weights_ = 0.0;
};

// Of leave-one-curve-out errors on the published tables 1, 3 and 10 times were tried: 11.1, 9.8 and
// 9.7 %.
constexpr double corrected_weight = 3.0;

struct Asked {
  const CurveId& id;
  double log_bytes;
  const CurveMap& curves;
};

const SizeCurve* serving(const Asked& asked, const CurveId& id) {
  const auto found = asked.curves.find(id);
  const bool serves = found != asked.curves.end() && found->second.serves(asked.log_bytes);
  return serves && id != asked.id ? &found->second : nullptr;
}

// (op', group) -> (op, group), corrected where (op', group') and (op, group') are known too.
void add_corrected(const Asked& asked,
                   const CurveId& other_op,
                   double guess,
                   WeightedMean& guesses) {
  for (const auto& [other_group, curve] : asked.curves) {
    if (other_group.op != asked.id.op || other_group.type != asked.id.type ||
        other_group.group == asked.id.group || !curve.serves(asked.log_bytes) ||
        is_inside_node(other_group) != is_inside_node(asked.id)) {
      continue;
    }
    const CurveId corner{other_op.op, other_op.type, other_group.group};
    if (const SizeCurve* known = serving(asked, corner)) {
      const double error =
          curve.at(asked.log_bytes) - scaled(corner, *known, other_group, asked.log_bytes);
      const double distance =
          group_distance(asked.id, other_group) + op_distance(asked.id.op, other_op.op);
      guesses.add(guess + error, 0.5 * distance, corrected_weight);
    }
  }
}

}  // namespace

CurveId curve_of(const CollectiveKey& key) {
  return {key.op, key.type, key.group};
}

double distance_between(const CurveId& a, const CurveId& b) {
  constexpr double across = 4.0;
  return op_distance(a.op, b.op) + group_distance(a, b) + (a.type == b.type ? 0.0 : 0.2) +
         (is_inside_node(a) == is_inside_node(b) ? 0.0 : across);
}

std::optional<double> transferred(const CurveId& id, double log_bytes, const CurveMap& curves) {
  const Asked asked{id, log_bytes, curves};
  WeightedMean guesses;
  for (const auto& [other, curve] : curves) {
    const bool is_step = other.op == id.op || other.group == id.group;
    if (other == id || !is_step || is_inside_node(other) != is_inside_node(id) ||
        !curve.serves(log_bytes)) {
      continue;
    }
    const double guess = scaled(other, curve, id, log_bytes);
    guesses.add(guess, distance_between(id, other), 1.0);
    if (other.op != id.op) {
      add_corrected(asked, other, guess, guesses);
    }
  }
  return guesses.value();
}

}  // namespace forerun
