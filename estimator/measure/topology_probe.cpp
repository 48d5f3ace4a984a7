#include "estimator/measure/topology_probe.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <ostream>
#include <set>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "estimator/measure/pair_probe.hpp"
#include "topologies/linkage.hpp"
#include "topologies/median.hpp"
#include "topologies/pair_rounds.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto byte_rate = unit::byte / unit::second;

// How long the pairs of a round exchange: to compare pairs, and for a level's own number; how long
// a pair streams alone. Shorter where the budget is, but not below the least.
constexpr double round_window_s = 120e-3;
constexpr double level_window_s = 500e-3;
constexpr double stream_window_s = 350e-3;
constexpr double least_window_s = 5e-3;

// A round times latency and bandwidth, each for a window, and takes as long again to find the size
// of its messages.
constexpr double windows_in_round = 3.0;

// Of the budget, for the rounds; the levels' own numbers have the rest.
constexpr double share_of_rounds = 0.5;

// Of every level, each for `level_window_s`.
constexpr std::size_t rounds_together = 2;

// Of every level, alone: enough to outvote one slow pair.
constexpr std::size_t pairs_alone = 5;

std::string text_of(const PairDistance& pair) {
  return fmt::format("{} {} {} {} {} {}\n",
                     pair.first,
                     pair.second,
                     pair.latency.in(unit::second),
                     pair.bandwidth.in(byte_rate),
                     pair.latency_error,
                     pair.bandwidth_error);
}

std::vector<PairDistance> pairs_from(const std::vector<std::string>& texts) {
  std::vector<PairDistance> pairs;
  for (const std::string& text : texts) {
    std::istringstream numbers(text);
    PairDistance pair;
    double latency_s = 0.0;
    double rate = 0.0;
    while (numbers >> pair.first >> pair.second >> latency_s >> rate >> pair.latency_error >>
           pair.bandwidth_error) {
      pair.latency = latency_s * unit::second;
      pair.bandwidth = rate * byte_rate;
      pairs.push_back(pair);
    }
  }
  std::ranges::sort(
      pairs, {}, [](const PairDistance& pair) { return std::pair(pair.first, pair.second); });
  return pairs;
}

class TopologyProbe {
 public:
  TopologyProbe(const Machine& machine, Seconds budget, std::ostream& progress)
      : machine_(machine), budget_(budget), progress_(progress) {}

  std::optional<MeasuredTopology> run(const std::vector<std::string>& hosts) {
    const auto rounds = pair_rounds(hosts);
    std::string measured;
    std::size_t done = 0;
    for (; done < rounds.size(); ++done) {
      const double window_s = window(share_of_rounds, rounds.size() - done, round_window_s);
      if (window_s == 0.0) {
        break;
      }
      measured += measure(rounds[done], window_s);
    }
    say(fmt::format("{} of {} rounds of pairs", done, rounds.size()));
    auto pairs = pairs_from(machine_.host_world.all_gather_text(measured));
    if (!connect(pairs, std::ssize(hosts))) {
      return std::nullopt;
    }
    MeasuredTopology topology = find_levels(std::move(pairs), hosts);
    steps_left_ = topology.levels.size() * (rounds_together + pairs_alone);
    for (MeasuredLevel& level : topology.levels) {
      const std::size_t later = steps_left_ - rounds_together - pairs_alone;
      measure_together(rounds, topology, level);
      measure_alone(topology, level);
      steps_left_ = later;
    }
    return topology;
  }

 private:
  void say(const std::string& what) {
    if (machine_.host_world.rank() == 0) {
      progress_ << "measure topology: " << what << '\n' << std::flush;
    }
  }

  // How long each of the next `steps` may exchange, so that they end with this share of the budget;
  // 0 once all of it is spent. Alike on all ranks, by the clock of rank 0.
  double window(double share, std::size_t steps, double most_s) {
    const double spent_s = std::chrono::duration<double>(Clock::now() - start_).count();
    const double budget_s = budget_.in(unit::second);
    float window_s = 0.0F;
    if (machine_.host_world.rank() == 0 && spent_s <= budget_s) {
      const double each_s = (share * budget_s - spent_s) / static_cast<double>(steps);
      window_s = static_cast<float>(std::clamp(each_s / windows_in_round, least_window_s, most_s));
    }
    machine_.host_world.all_reduce(&window_s, &window_s, 1, DataType::fp32, ReduceOp::max);
    return static_cast<double>(window_s);
  }

  // The next of the levels' rounds and pairs.
  double window_of_step(double most_s) {
    const double window_s = window(1.0, std::max<std::size_t>(steps_left_, 1), most_s);
    steps_left_ -= std::min<std::size_t>(steps_left_, 1);
    return window_s;
  }

  static bool connect(const std::vector<PairDistance>& pairs, std::int64_t ranks) {
    std::vector<RankEdge> edges;
    edges.reserve(pairs.size());
    for (const PairDistance& pair : pairs) {
      edges.push_back({pair.first, pair.second, 0.0});
    }
    return std::ssize(average_linkage(ranks, edges)) + 1 == ranks;
  }

  // What this rank has to report of the round: nothing where it rests or is the higher of its pair.
  std::string measure(const Round& round, double window_s) {
    const std::int64_t rank = machine_.host_world.rank();
    const auto own = std::ranges::find_if(
        round, [&](const RankPair& pair) { return pair.first == rank || pair.second == rank; });
    std::optional<PairProbe> probe;
    PairProbe::Sample latency;
    PairProbe::Sample rate;
    if (own != round.end()) {
      const std::int64_t partner = own->first == rank ? own->second : own->first;
      probe.emplace(machine_, static_cast<int>(partner));
    }
    machine_.host_world.barrier();
    if (probe) {
      latency = probe->latency_s(window_s);
    }
    machine_.host_world.barrier();
    if (probe) {
      rate = probe->exchange_bytes_per_s(latency.value, window_s);
    }
    if (!probe || own->first != rank) {
      return {};
    }
    return text_of({own->first,
                    own->second,
                    latency.value * unit::second,
                    rate.value * byte_rate,
                    latency.error,
                    rate.error});
  }

  // Pairs spread over the level's, those of odd ranks and slow links left out where others are.
  static std::vector<RankPair> chosen_pairs(const MeasuredTopology& topology,
                                            const MeasuredLevel& level) {
    std::set<RankPair> slow;
    for (const SlowLink& link : topology.slow_links) {
      slow.emplace(link.first, link.second);
    }
    const auto is_odd = [&](std::int64_t rank) {
      return std::ranges::find(topology.stragglers, rank, &Straggler::rank) !=
             topology.stragglers.end();
    };
    std::vector<RankPair> all;
    for (const PairDistance& pair : topology.pairs) {
      const RankPair ranks(pair.first, pair.second);
      if (&topology.levels[level_between(topology, pair.first, pair.second)] == &level &&
          !slow.contains(ranks) && !is_odd(pair.first) && !is_odd(pair.second)) {
        all.push_back(ranks);
      }
    }
    std::vector<RankPair> chosen;
    const std::size_t count = std::min(all.size(), pairs_alone);
    for (std::size_t i = 0; i < count; ++i) {
      chosen.push_back(all[i * all.size() / count]);
    }
    return chosen;
  }

  // The rounds that load the level most, for long enough that turns at a shared link even out.
  void measure_together(const std::vector<Round>& rounds,
                        const MeasuredTopology& topology,
                        MeasuredLevel& level) {
    const auto is_of_level = [&](std::int64_t first, std::int64_t second) {
      return &topology.levels[level_between(topology, first, second)] == &level;
    };
    std::vector<Round> fullest = rounds;
    std::ranges::stable_sort(fullest, std::greater<>(), [&](const Round& round) {
      return std::ranges::count_if(
          round, [&](const RankPair& pair) { return is_of_level(pair.first, pair.second); });
    });
    fullest.resize(std::min(fullest.size(), rounds_together));
    std::string measured;
    for (const Round& round : fullest) {
      if (const double window_s = window_of_step(level_window_s); window_s > 0.0) {
        measured += measure(round, window_s);
      }
    }
    std::vector<double> rates;
    for (const PairDistance& pair : pairs_from(machine_.host_world.all_gather_text(measured))) {
      if (is_of_level(pair.first, pair.second)) {
        rates.push_back(pair.bandwidth.in(byte_rate));
      }
    }
    if (!rates.empty()) {
      level.bandwidth = median_of(std::move(rates)) * byte_rate;
    }
  }

  void measure_alone(const MeasuredTopology& topology, MeasuredLevel& level) {
    const std::int64_t rank = machine_.host_world.rank();
    std::string measured;
    for (const auto& [first, second] : chosen_pairs(topology, level)) {
      const double window_s = window_of_step(stream_window_s);  // waits for all ranks
      if (window_s == 0.0 || (rank != first && rank != second)) {
        continue;
      }
      PairProbe probe(machine_, static_cast<int>(rank == first ? second : first));
      const auto latency = probe.latency_s(window_s);
      const auto rate = probe.stream_bytes_per_s(latency.value, window_s);
      if (rank == first) {
        measured += text_of({first,
                             second,
                             latency.value * unit::second,
                             rate.value * byte_rate,
                             latency.error,
                             rate.error});
      }
    }
    std::vector<double> latencies;
    std::vector<double> rates;
    for (const PairDistance& pair : pairs_from(machine_.host_world.all_gather_text(measured))) {
      latencies.push_back(pair.latency.in(unit::second));
      rates.push_back(pair.bandwidth.in(byte_rate));
    }
    if (!latencies.empty()) {
      level.latency_alone = median_of(std::move(latencies)) * unit::second;
      level.bandwidth_alone = median_of(std::move(rates)) * byte_rate;
    }
    say(fmt::format("level '{}' joins {} ranks: {} after {}",
                    level.name,
                    level.devices,
                    forerun::text_of(level.bandwidth_alone.value_or(level.bandwidth)),
                    forerun::text_of(level.latency_alone.value_or(level.latency))));
  }

  const Machine& machine_;
  Seconds budget_;
  std::ostream& progress_;
  Clock::time_point start_ = Clock::now();
  std::size_t steps_left_ = 0;  // of the levels' rounds and pairs
};

}  // namespace

std::optional<MeasuredTopology> probe_topology(const Machine& machine,
                                               const std::vector<std::string>& hosts,
                                               Seconds budget,
                                               std::ostream& progress) {
  if (hosts.size() < 2) {
    return std::nullopt;
  }
  return TopologyProbe(machine, budget, progress).run(hosts);
}

}  // namespace forerun
