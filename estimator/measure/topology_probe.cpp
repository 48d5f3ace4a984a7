#include "estimator/measure/topology_probe.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <ostream>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "estimator/measure/pair_probe.hpp"
#include "topologies/device_share.hpp"
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
// For a level's own number fewer turns are better than shorter ones, in which one wake-up counts.
constexpr double least_level_window_s = 60e-3;
// What a shaped link lets through at once, a hundredth of a second or so of its rate, is little of
// it.
constexpr double least_alone_s = 100e-3;

// A round times latency and bandwidth, each for a window, and takes as long again to find the size
// of its messages. So does a pair alone; of a level's own rounds all that is known.
constexpr double windows_in_round = 3.0;
constexpr double windows_alone = 3.0;
constexpr double windows_together = 1.0;

// Of the budget, for the rounds; the levels' own numbers have the rest.
constexpr double share_of_rounds = 0.5;

// Every round so often, in turns, as long as windows of half the length last: what disturbs one
// round of few ranks would look like a level, for its pairs are groups.
constexpr double most_turns = 3.0;

// Of every level, in turns, each for `level_window_s`: what disturbs one does not disturb all.
constexpr std::size_t rounds_together = 2;
constexpr std::size_t turns_together = 3;

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
  TopologyProbe(const Machine& machine,
                const std::vector<std::string>& hosts,
                Seconds budget,
                std::ostream& progress)
      : machine_(machine), hosts_(hosts), budget_(budget), progress_(progress) {}

  std::optional<MeasuredTopology> run() {
    const auto rounds = pair_rounds(hosts_);
    std::string measured;
    const std::size_t steps_of_rounds = rounds.size() * turns_of(rounds.size());
    std::size_t done = 0;
    for (; done < steps_of_rounds; ++done) {
      const double windows = windows_in_round * static_cast<double>(steps_of_rounds - done);
      const double window_s = window(share_of_rounds, windows, least_window_s, round_window_s);
      if (window_s == 0.0) {
        break;
      }
      measured += measure(rounds[done % rounds.size()], window_s);
    }
    say(fmt::format("{} of {} rounds of pairs", done, steps_of_rounds));
    auto pairs = median_over_turns(pairs_from(machine_.host_world.all_gather_text(measured)));
    if (!connect(pairs, std::ssize(hosts_))) {
      return std::nullopt;
    }
    MeasuredTopology topology = find_levels(std::move(pairs), hosts_);
    std::vector<LevelSteps> steps;
    for (const MeasuredLevel& level : topology.levels) {
      steps.push_back({fullest_rounds(rounds, topology, level), chosen_pairs(topology, level)});
      windows_left_ += windows_of(steps.back());
    }
    // From outside in: what is slow is dear, and a budget that ends early leaves out the cheap.
    for (std::size_t i = steps.size(); i-- > 0;) {
      measure_alone(steps[i].pairs, topology.levels[i]);
    }
    for (std::size_t i = steps.size(); i-- > 0;) {
      measure_together(steps[i].rounds, topology, topology.levels[i]);
    }
    topology = merge_alike_levels(std::move(topology), hosts_);
    std::ranges::for_each(topology.levels, [&](const MeasuredLevel& level) { describe(level); });
    return topology;
  }

 private:
  void say(const std::string& what) {
    if (machine_.host_world.rank() == 0) {
      progress_ << "measure topology: " << what << '\n' << std::flush;
    }
  }

  // Alike on all ranks.
  [[nodiscard]] std::size_t turns_of(std::size_t rounds) const {
    const double least_s = 0.5 * round_window_s * windows_in_round * static_cast<double>(rounds);
    const double turns = share_of_rounds * budget_.in(unit::second) / least_s;
    return static_cast<std::size_t>(std::clamp(turns, 1.0, most_turns));
  }

  // What is measured for a level's own numbers.
  struct LevelSteps {
    std::vector<Round> rounds;
    std::vector<RankPair> pairs;
  };

  static double windows_of(const LevelSteps& steps) {
    return windows_together * static_cast<double>(turns_together * steps.rounds.size()) +
           windows_alone * static_cast<double>(steps.pairs.size());
  }

  // How long each of the next `windows` may be, so that they end with this share of the budget; 0
  // once all of it is spent. Alike on all ranks, by the clock of rank 0.
  double window(double share, double windows, double least_s, double most_s) {
    const double spent_s = std::chrono::duration<double>(Clock::now() - start_).count();
    const double budget_s = budget_.in(unit::second);
    float window_s = 0.0F;
    if (machine_.host_world.rank() == 0 && spent_s <= budget_s) {
      const double each_s = (share * budget_s - spent_s) / windows;
      window_s = static_cast<float>(std::clamp(each_s, least_s, most_s));
    }
    machine_.host_world.all_reduce(&window_s, &window_s, 1, DataType::fp32, ReduceOp::max);
    return static_cast<double>(window_s);
  }

  // The next of the levels' rounds and pairs, which takes so many windows.
  double window_of_step(double windows, double least_s, double most_s) {
    const double window_s = window(1.0, std::max(windows_left_, windows), least_s, most_s);
    windows_left_ -= windows;
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
      probe.emplace(machine_, buffers_, static_cast<int>(partner));
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

  static bool is_of_level(const MeasuredTopology& topology,
                          const MeasuredLevel& level,
                          const RankPair& pair) {
    return &topology.levels[level_between(topology, pair.first, pair.second)] == &level;
  }

  // Neither a slow link nor one of an odd rank.
  static bool is_sound(const MeasuredTopology& topology, const RankPair& pair) {
    const auto is_odd = [&](std::int64_t rank) {
      return std::ranges::find(topology.stragglers, rank, &Straggler::rank) !=
             topology.stragglers.end();
    };
    const auto is_slow = [&](const SlowLink& link) {
      return link.first == pair.first && link.second == pair.second;
    };
    return !is_odd(pair.first) && !is_odd(pair.second) &&
           std::ranges::none_of(topology.slow_links, is_slow);
  }

  // Pairs spread over the level's.
  static std::vector<RankPair> chosen_pairs(const MeasuredTopology& topology,
                                            const MeasuredLevel& level) {
    std::vector<RankPair> all;
    for (const PairDistance& pair : topology.pairs) {
      const RankPair ranks(pair.first, pair.second);
      if (is_of_level(topology, level, ranks) && is_sound(topology, ranks)) {
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

  // The rounds that load the level most with pairs that count.
  static std::vector<Round> fullest_rounds(const std::vector<Round>& rounds,
                                           const MeasuredTopology& topology,
                                           const MeasuredLevel& level) {
    std::vector<Round> fullest = rounds;
    std::ranges::stable_sort(fullest, std::greater<>(), [&](const Round& round) {
      return std::ranges::count_if(round, [&](const RankPair& pair) {
        return is_of_level(topology, level, pair) && is_sound(topology, pair);
      });
    });
    fullest.resize(std::min(fullest.size(), rounds_together));
    return fullest;
  }

  // What a pair's exchange for so long is sized by: the level's numbers, alike for all of its sound
  // pairs, and its own for one that would hold the round up. A bucket that lets a burst through
  // must run dry early: nothing is less than `least_alone_s` of a pair alone.
  static PairDistance expected_of(const MeasuredTopology& topology,
                                  const RankPair& ranks,
                                  double window_s) {
    const auto measured = std::ranges::find_if(topology.pairs, [&](const PairDistance& pair) {
      return RankPair(pair.first, pair.second) == ranks;
    });
    if (!is_sound(topology, ranks) && measured != topology.pairs.end()) {
      return *measured;
    }
    const MeasuredLevel& level =
        topology.levels[level_between(topology, ranks.first, ranks.second)];
    const BytesPerSecond alone = level.bandwidth_alone.value_or(level.bandwidth);
    return {ranks.first,
            ranks.second,
            level.latency,
            std::max(level.bandwidth, std::min(least_alone_s / window_s, 1.0) * alone)};
  }

  // What this rank has to report of the round, as `measure`; its levels tell about what to expect.
  std::string measure_again(const Round& round, const MeasuredTopology& topology, double window_s) {
    const std::int64_t rank = machine_.host_world.rank();
    const auto own = std::ranges::find_if(
        round, [&](const RankPair& pair) { return pair.first == rank || pair.second == rank; });
    std::optional<PairProbe> probe;
    PairDistance known;
    if (own != round.end()) {
      probe.emplace(
          machine_, buffers_, static_cast<int>(own->first == rank ? own->second : own->first));
      known = expected_of(topology, *own, window_s);
    }
    machine_.host_world.barrier();
    if (!probe) {
      return {};
    }
    const auto rate =
        probe->exchange_at(known.bandwidth.in(byte_rate), known.latency.in(unit::second), window_s);
    known.bandwidth = rate.value * byte_rate;
    known.bandwidth_error = rate.error;
    return own->first == rank ? text_of(known) : std::string();
  }

  void measure_together(const std::vector<Round>& rounds,
                        const MeasuredTopology& topology,
                        MeasuredLevel& level) {
    std::vector<double> shares;
    for (std::size_t step = 0; step < turns_together * rounds.size(); ++step) {
      const double window_s =
          window_of_step(windows_together, least_level_window_s, level_window_s);
      if (window_s == 0.0) {
        break;
      }
      const std::string mine = measure_again(rounds[step % rounds.size()], topology, window_s);
      auto pairs = pairs_from(machine_.host_world.all_gather_text(mine));
      std::erase_if(pairs, [&](const PairDistance& pair) {
        const RankPair ranks(pair.first, pair.second);
        return !is_of_level(topology, level, ranks) || !is_sound(topology, ranks);
      });
      for (const BytesPerSecond share : device_shares(pairs, hosts_)) {
        shares.push_back(share.in(byte_rate));
      }
    }
    if (!shares.empty()) {
      const BytesPerSecond busy = median_of(std::move(shares)) * byte_rate;
      level.bandwidth = std::min(busy, level.bandwidth_alone.value_or(busy));  // more is a burst
    }
  }

  void measure_alone(const std::vector<RankPair>& pairs, MeasuredLevel& level) {
    const std::int64_t rank = machine_.host_world.rank();
    std::string measured;
    for (const auto& [first, second] : pairs) {
      const double window_s =
          window_of_step(windows_alone, least_window_s, stream_window_s);  // waits for all
      if (window_s == 0.0 || (rank != first && rank != second)) {
        continue;
      }
      PairProbe probe(machine_, buffers_, static_cast<int>(rank == first ? second : first));
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
  }

  void describe(const MeasuredLevel& level) {
    say(fmt::format("level '{}' joins {} ranks: {} each, {} alone, after {}",
                    level.name,
                    level.devices,
                    forerun::text_of(level.bandwidth),
                    forerun::text_of(level.bandwidth_alone.value_or(level.bandwidth)),
                    forerun::text_of(level.latency_alone.value_or(level.latency))));
  }

  const Machine& machine_;
  const std::vector<std::string>& hosts_;
  Seconds budget_;
  std::ostream& progress_;
  Clock::time_point start_ = Clock::now();
  PairProbe::Buffers buffers_{machine_.device};
  double windows_left_ = 0.0;  // of the levels' rounds and pairs
};

}  // namespace

std::optional<MeasuredTopology> probe_topology(const Machine& machine,
                                               const std::vector<std::string>& hosts,
                                               Seconds budget,
                                               std::ostream& progress) {
  if (hosts.size() < 2) {
    return std::nullopt;
  }
  return TopologyProbe(machine, hosts, budget, progress).run();
}

}  // namespace forerun
