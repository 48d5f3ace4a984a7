// Rounds of pairs: disjoint, complete for few ranks, few and connected for many.
#include "topologies/pair_rounds.hpp"

#include <set>

#include <gtest/gtest.h>

#include "topologies/linkage.hpp"

namespace forerun {
namespace {

// `counts[i]` ranks on host i, in the order of hosts, or dealt out one by one.
std::vector<std::string> hosts_with(const std::vector<int>& counts, bool is_dealt = false) {
  std::vector<std::string> hosts;
  if (!is_dealt) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      hosts.insert(hosts.end(), static_cast<std::size_t>(counts[i]), "h" + std::to_string(i));
    }
    return hosts;
  }
  bool goes_on = true;
  for (int turn = 0; goes_on; ++turn) {
    goes_on = false;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (turn < counts[i]) {
        hosts.push_back("h" + std::to_string(i));
        goes_on = true;
      }
    }
  }
  return hosts;
}

void expect_disjoint(const std::vector<Round>& rounds, std::int64_t ranks) {
  std::set<RankPair> seen;
  for (const Round& round : rounds) {
    EXPECT_FALSE(round.empty());
    std::set<std::int64_t> busy;
    for (const auto& [a, b] : round) {
      EXPECT_LT(a, b);
      EXPECT_GE(a, 0);
      EXPECT_LT(b, ranks);
      EXPECT_TRUE(busy.insert(a).second && busy.insert(b).second) << a << " " << b;
      EXPECT_TRUE(seen.emplace(a, b).second) << a << " " << b;
    }
  }
}

std::int64_t pairs_in(const std::vector<Round>& rounds) {
  std::int64_t count = 0;
  for (const Round& round : rounds) {
    count += std::ssize(round);
  }
  return count;
}

TEST(PairRounds, HoldEveryPairOfFewRanksOnce) {
  for (const std::vector<int>& counts : {std::vector<int>{1, 1},
                                         {2},
                                         {3},
                                         {4},
                                         {2, 2},
                                         {3, 2},
                                         {4, 4, 4},
                                         {1, 5, 2, 3},
                                         {8, 8, 8, 8, 8, 8, 8, 8}}) {
    for (const bool is_dealt : {false, true}) {
      const auto hosts = hosts_with(counts, is_dealt);
      const auto ranks = std::ssize(hosts);
      const auto rounds = pair_rounds(hosts);
      expect_disjoint(rounds, ranks);
      EXPECT_EQ(pairs_in(rounds), ranks * (ranks - 1) / 2) << ranks;
    }
  }
}

TEST(PairRounds, KeepHostsBusyWithOneOtherHost) {
  const auto hosts = hosts_with({4, 4, 4, 4}, true);
  for (const Round& round : pair_rounds(hosts)) {
    std::set<std::pair<std::string, std::string>> meetings;
    bool is_within = false;
    for (const auto& [a, b] : round) {
      const auto& [here, there] =
          std::minmax(hosts[static_cast<std::size_t>(a)], hosts[static_cast<std::size_t>(b)]);
      is_within = is_within || here == there;
      meetings.emplace(here, there);
    }
    // Two pairs of hosts with four pairs of ranks each, or two pairs of ranks in each of four.
    EXPECT_EQ(meetings.size(), is_within ? 4U : 2U);
    EXPECT_EQ(round.size(), 8U);
  }
}

TEST(PairRounds, AreFewButConnectManyRanks) {
  for (const auto& [hosts_count, per_host] : {std::pair(128, 8), {1000, 1}, {2, 100}, {33, 2}}) {
    const auto hosts =
        hosts_with(std::vector<int>(static_cast<std::size_t>(hosts_count), per_host));
    const auto rounds = pair_rounds(hosts);
    expect_disjoint(rounds, std::ssize(hosts));
    EXPECT_LT(rounds.size(), 120U);
    std::vector<RankEdge> edges;
    for (const Round& round : rounds) {
      for (const auto& [a, b] : round) {
        edges.push_back({a, b, 1.0});
      }
    }
    EXPECT_EQ(average_linkage(std::ssize(hosts), edges).size() + 1, hosts.size());
  }
}

TEST(PairRounds, AreNoneForOneRank) {
  EXPECT_TRUE(pair_rounds({"here"}).empty());
}

}  // namespace
}  // namespace forerun
