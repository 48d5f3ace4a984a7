// Tournaments by the circle method, of ranks within hosts and of hosts among each other.
#include "topologies/pair_rounds.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace forerun {
namespace {

using Ranks = std::vector<std::int64_t>;

std::vector<Ranks> ranks_by_host(const std::vector<std::string>& hosts) {
  std::map<std::string, std::size_t> numbers;
  std::vector<Ranks> by_host;
  for (std::size_t rank = 0; rank < hosts.size(); ++rank) {
    const std::size_t number = numbers.emplace(hosts[rank], by_host.size()).first->second;
    if (number == by_host.size()) {
      by_host.emplace_back();
    }
    by_host[number].push_back(static_cast<std::int64_t>(rank));
  }
  return by_host;
}

// Matchings of players 0..count-1 in which everyone meets everyone: round r pairs those whose
// numbers sum to r modulo the odd count; the one left over meets the last player of an even count.
std::vector<Round> tournament(std::int64_t count) {
  const std::int64_t odd = count % 2 == 0 ? count - 1 : count;
  std::vector<Round> rounds;
  for (std::int64_t r = 0; r < odd && count > 1; ++r) {
    Round round;
    for (std::int64_t a = 0; a < odd; ++a) {
      const std::int64_t b = (r - a + odd) % odd;
      if (a < b) {
        round.emplace_back(a, b);
      } else if (a == b && count % 2 == 0) {
        round.emplace_back(a, count - 1);
      }
    }
    rounds.push_back(std::move(round));
  }
  return rounds;
}

// Matchings of players that are 1, 2, 4, ... apart, two for each distance, and some of a
// tournament.
std::vector<Round> sampled_tournament(std::int64_t count) {
  std::vector<Round> rounds;
  for (std::int64_t apart = 1; apart < count; apart *= 2) {
    for (const std::int64_t parity : {0, 1}) {
      Round round;
      for (std::int64_t a = 0; a + apart < count; ++a) {
        if (a / apart % 2 == parity) {
          round.emplace_back(a, a + apart);
        }
      }
      rounds.push_back(std::move(round));
    }
  }
  constexpr std::size_t spread = 8;
  const std::vector<Round> all = tournament(count);
  const std::size_t step = std::max<std::size_t>(all.size() / spread, 1);
  for (std::size_t i = 0; i < all.size(); i += step) {
    rounds.push_back(all[i]);
  }
  return rounds;
}

// Collects rounds; a pair that was in one already is left out.
class Plan {
 public:
  void add(const Round& round) {
    Round fresh;
    for (const auto& [a, b] : round) {
      const RankPair pair = std::minmax(a, b);
      if (seen_.insert(pair).second) {
        fresh.push_back(pair);
      }
    }
    if (!fresh.empty()) {
      rounds_.push_back(std::move(fresh));
    }
  }

  std::vector<Round> take() { return std::move(rounds_); }

 private:
  std::set<RankPair> seen_;
  std::vector<Round> rounds_;
};

std::vector<Round> meetings(std::size_t count, bool takes_all) {
  const auto players = static_cast<std::int64_t>(count);
  return takes_all ? tournament(players) : sampled_tournament(players);
}

// Every host holds its own tournament at the same time.
void add_rounds_within(const std::vector<Ranks>& by_host, bool takes_all, Plan& plan) {
  std::vector<Round> rounds;
  for (const Ranks& ranks : by_host) {
    const auto own = meetings(ranks.size(), takes_all);
    rounds.resize(std::max(rounds.size(), own.size()));
    for (std::size_t i = 0; i < own.size(); ++i) {
      for (const auto& [a, b] : own[i]) {
        rounds[i].emplace_back(ranks[static_cast<std::size_t>(a)],
                               ranks[static_cast<std::size_t>(b)]);
      }
    }
  }
  for (const Round& round : rounds) {
    plan.add(round);
  }
}

// Two hosts meet with all their ranks: place i here with place (i + shift) there.
void add_host_pair(const Ranks& here, const Ranks& there, std::size_t shift, Round& round) {
  const std::size_t places = std::max(here.size(), there.size());
  for (std::size_t i = 0; i < here.size(); ++i) {
    const std::size_t j = (i + shift) % places;
    if (j < there.size()) {
      round.emplace_back(here[i], there[j]);
    }
  }
}

void add_rounds_between(const std::vector<Ranks>& by_host, bool takes_all, Plan& plan) {
  const std::size_t places = std::ranges::max_element(by_host, {}, &Ranks::size)->size();
  const std::size_t shifts = takes_all ? places : std::min<std::size_t>(places, 2);
  for (const Round& hosts : meetings(by_host.size(), takes_all)) {
    for (std::size_t shift = 0; shift < shifts; ++shift) {
      Round round;
      for (const auto& [a, b] : hosts) {
        const Ranks& here = by_host[static_cast<std::size_t>(a)];
        const Ranks& there = by_host[static_cast<std::size_t>(b)];
        add_host_pair(here, there, shift, round);
      }
      plan.add(round);
    }
  }
}

}  // namespace

std::vector<Round> pair_rounds(const std::vector<std::string>& hosts) {
  Plan plan;
  if (hosts.size() < 2) {
    return {};
  }
  const bool takes_all = std::ssize(hosts) <= most_ranks_for_all_pairs;
  const auto by_host = ranks_by_host(hosts);
  add_rounds_within(by_host, takes_all, plan);
  add_rounds_between(by_host, takes_all, plan);
  return plan.take();
}

}  // namespace forerun
