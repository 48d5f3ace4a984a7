// Levels found in made matrices whose structure is known, with noise as clusters have it.
#include "topologies/measured_topology.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/topologies/gigabyte_rate.hpp"
#include "topologies/link_levels.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct Link {
  double latency_us = 1.0;
  double bandwidth_gbs = 10.0;
};

// Every pair of `ranks`, as `link` says, each number times exp(noise * normal).
std::vector<PairDistance> made(std::int64_t ranks,
                               double noise,
                               const std::function<Link(std::int64_t, std::int64_t)>& link,
                               unsigned seed = 1) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<PairDistance> pairs;
  for (std::int64_t a = 0; a < ranks; ++a) {
    for (std::int64_t b = a + 1; b < ranks; ++b) {
      const Link at = link(a, b);
      pairs.push_back({a,
                       b,
                       at.latency_us * std::exp(noise * normal(random)) * unit::microsecond,
                       at.bandwidth_gbs * std::exp(noise * normal(random)) * gigabyte_rate});
    }
  }
  return pairs;
}

// "h0" for the first `per_host` ranks, and so on.
std::vector<std::string> hosts_of(std::int64_t ranks, std::int64_t per_host) {
  std::vector<std::string> hosts;
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    hosts.push_back("h" + std::to_string(rank / per_host));
  }
  return hosts;
}

Link two_levels(std::int64_t a, std::int64_t b, std::int64_t per_host) {
  return a / per_host == b / per_host ? Link{0.5, 12.0} : Link{20.0, 0.12};
}

std::vector<std::int64_t> sizes_of(const MeasuredTopology& topology) {
  std::vector<std::int64_t> sizes;
  for (const MeasuredLevel& level : topology.levels) {
    sizes.push_back(level.devices);
  }
  return sizes;
}

TEST(FindLevels, SeesTwoHostsOfTwoRanks) {
  const auto topology =
      find_levels(made(4, 0.1, [](auto a, auto b) { return two_levels(a, b, 2); }), hosts_of(4, 2));
  ASSERT_THAT(sizes_of(topology), ElementsAre(2, 4));
  EXPECT_THAT(topology.levels[0].groups, ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
  EXPECT_EQ(topology.levels[0].name, "node");
  EXPECT_EQ(topology.levels[1].name, "network");
  EXPECT_EQ(topology.levels[0].pairs, 2);
  EXPECT_EQ(topology.levels[1].pairs, 4);
  EXPECT_EQ(topology.agreement, HostAgreement::agrees);
  // All 2 * 4 comparisons are in order, half of one is lost: 7.5 / 8.
  EXPECT_DOUBLE_EQ(topology.levels[1].confidence, 0.9375);
}

// Without noise a level's numbers are its links' own.
TEST(FindLevels, GivesTheLinksOwnNumbers) {
  const auto topology =
      find_levels(made(8, 0.0, [](auto a, auto b) { return two_levels(a, b, 4); }), hosts_of(8, 4));
  ASSERT_EQ(topology.levels.size(), 2U);
  EXPECT_NEAR(topology.levels[0].latency.in(unit::microsecond), 0.5, 1e-12);
  EXPECT_NEAR(topology.levels[1].bandwidth.in(gigabyte_rate), 0.12, 1e-12);
  EXPECT_EQ(topology.levels[1].bandwidth_spread, 0.0);
  EXPECT_TRUE(topology.stragglers.empty());
  EXPECT_TRUE(topology.slow_links.empty());
}

// Structure of 2 sockets x 2 ranks, 2 hosts a rack, 4 racks, ranks dealt out round robin to hosts.
TEST(FindLevels, SeesFourLevelsWhateverTheOrderOfRanks) {
  const auto host = [](std::int64_t rank) { return rank % 8; };
  const auto link = [&](std::int64_t a, std::int64_t b) {
    if (host(a) == host(b)) {
      return a / 8 / 2 == b / 8 / 2 ? Link{0.3, 12.0} : Link{0.6, 9.0};
    }
    return host(a) / 2 == host(b) / 2 ? Link{2.0, 6.0} : Link{3.5, 3.0};
  };
  std::vector<std::string> hosts;
  for (std::int64_t rank = 0; rank < 32; ++rank) {
    hosts.push_back("node" + std::to_string(host(rank)));
  }
  const auto topology = find_levels(made(32, 0.05, link), hosts);
  ASSERT_THAT(sizes_of(topology), ElementsAre(2, 4, 8, 32));
  EXPECT_EQ(topology.levels[0].name, "domain");
  EXPECT_EQ(topology.levels[1].name, "node");
  EXPECT_EQ(topology.levels[2].name, "network 1");
  EXPECT_EQ(topology.levels[3].name, "network 2");
  EXPECT_THAT(topology.levels[1].groups[0], ElementsAre(0, 8, 16, 24));
  EXPECT_EQ(topology.agreement, HostAgreement::agrees);
}

// One level may differ from the next in bandwidth alone, in latency alone, or in opposite senses:
// copies through memory that are slower per byte than the adapter.
TEST(FindLevels, SeesWhatDiffersInOneRespectOnly) {
  const auto level = [](Link outer) {
    return [outer](std::int64_t a, std::int64_t b) {
      return a / 4 == b / 4 ? Link{1.0, 10.0} : outer;
    };
  };
  for (const Link outer : {Link{1.0, 5.0}, Link{2.0, 10.0}, Link{2.0, 20.0}}) {
    const auto topology = find_levels(made(16, 0.05, level(outer)), hosts_of(16, 4));
    EXPECT_THAT(sizes_of(topology), ElementsAre(4, 16))
        << outer.latency_us << " us " << outer.bandwidth_gbs;
  }
}

// Noise of a factor 1.1 to 1.3 on one kind of link is one level, in each of 50 draws.
TEST(FindLevels, SeesNoLevelsInNoise) {
  for (const double noise : {0.02, 0.1, 0.25}) {
    for (unsigned seed = 1; seed <= 50; ++seed) {
      const auto topology = find_levels(made(
                                            8, noise, [](auto, auto) { return Link{}; }, seed),
                                        hosts_of(8, 8));
      EXPECT_EQ(topology.levels.size(), 1U) << noise << " " << seed;
    }
  }
}

// The same with two levels: both are found, and no third, in each of 50 draws.
TEST(FindLevels, SeesTwoLevelsThroughNoise) {
  for (const double noise : {0.02, 0.1, 0.25}) {
    for (unsigned seed = 1; seed <= 50; ++seed) {
      const auto topology =
          find_levels(made(
                          12, noise, [](auto a, auto b) { return two_levels(a, b, 4); }, seed),
                      hosts_of(12, 4));
      EXPECT_THAT(sizes_of(topology), ElementsAre(4, 12)) << noise << " " << seed;
    }
  }
}

// 1.2 times the latency and 1.2 times the time per byte are 1.44 together, but neither is 1.25.
TEST(FindLevels, MakesNoLevelOfWhatDiffersTooLittleInEither) {
  const auto link = [](double factor) {
    return [factor](std::int64_t a, std::int64_t b) {
      return a / 4 == b / 4 ? Link{1.0, 12.0} : Link{factor, 12.0 / factor};
    };
  };
  EXPECT_THAT(sizes_of(find_levels(made(8, 0.0, link(1.2)), hosts_of(8, 1))), ElementsAre(8));
  EXPECT_THAT(sizes_of(find_levels(made(8, 0.0, link(1.3)), hosts_of(8, 1))), ElementsAre(4, 8));
}

// Pairs 0-1 and 2-3 were measured in one round, which was quiet; the levels' own numbers, measured
// at other times, are as good as equal.
TEST(MergeAlikeLevels, DropsWhatItsOwnNumbersDoNotShow) {
  const auto link = [](std::int64_t a, std::int64_t b) {
    return a / 2 == b / 2 ? Link{10.0, 0.0115} : Link{15.0, 0.0100};
  };
  MeasuredTopology found = find_levels(made(4, 0.0, link), hosts_of(4, 1));
  ASSERT_THAT(sizes_of(found), ElementsAre(2, 4));
  found.levels[0].latency_alone = 11.0 * unit::microsecond;
  found.levels[1].latency_alone = 12.0 * unit::microsecond;
  found.levels[0].bandwidth = 0.0115 * gigabyte_rate;
  found.levels[1].bandwidth = 0.0110 * gigabyte_rate;
  const MeasuredTopology merged = merge_alike_levels(found, hosts_of(4, 1));
  ASSERT_THAT(sizes_of(merged), ElementsAre(4));
  EXPECT_EQ(merged.levels[0].name, "network");
  EXPECT_EQ(merged.levels[0].pairs, 6);
  EXPECT_EQ(merged.levels[0].latency_alone, found.levels[1].latency_alone);
  EXPECT_EQ(merged.levels[0].bandwidth, found.levels[1].bandwidth);

  // In the opposite sense they show nothing either; in the same sense they do.
  found.levels[0].latency_alone = 20.0 * unit::microsecond;
  EXPECT_THAT(sizes_of(merge_alike_levels(found, hosts_of(4, 1))), ElementsAre(4));
  found.levels[0].latency_alone = 8.0 * unit::microsecond;
  EXPECT_THAT(sizes_of(merge_alike_levels(found, hosts_of(4, 1))), ElementsAre(2, 4));
}

TEST(MedianOverTurns, TakesEachPairOnceWithWhatItsTurnsSpread) {
  const auto turn = [](std::int64_t first, std::int64_t second, double latency_us, double gbs) {
    return PairDistance{
        first, second, latency_us * unit::microsecond, gbs * gigabyte_rate, 0.05, 0.05};
  };
  const auto pairs = median_over_turns(
      {turn(1, 2, 30.0, 1.0), turn(0, 1, 10.0, 2.0), turn(0, 1, 20.0, 2.0), turn(0, 1, 12.0, 2.0)});
  ASSERT_EQ(pairs.size(), 2U);
  EXPECT_EQ(pairs[0].first, 0);
  EXPECT_DOUBLE_EQ(pairs[0].latency.in(unit::microsecond), 12.0);
  EXPECT_DOUBLE_EQ(pairs[0].latency_error, 5.0 / 12.0);  // half of 20 - 10
  EXPECT_DOUBLE_EQ(pairs[0].bandwidth_error, 0.05);
  EXPECT_EQ(pairs[1].second, 2);
  EXPECT_DOUBLE_EQ(pairs[1].latency.in(unit::microsecond), 30.0);
}

TEST(FindLevels, NamesAStragglerAndKeepsItsHost) {
  const auto link = [](std::int64_t a, std::int64_t b) {
    Link at = two_levels(a, b, 4);
    if (a == 5 || b == 5) {
      at.bandwidth_gbs /= 3.0;
    }
    return at;
  };
  const auto topology = find_levels(made(16, 0.05, link), hosts_of(16, 4));
  EXPECT_THAT(sizes_of(topology), ElementsAre(4, 16));
  EXPECT_EQ(topology.agreement, HostAgreement::agrees);
  ASSERT_EQ(topology.stragglers.size(), 1U);
  EXPECT_EQ(topology.stragglers[0].rank, 5);
  EXPECT_EQ(topology.stragglers[0].host, "h1");
  EXPECT_NEAR(topology.stragglers[0].bandwidth_factor, 3.0, 0.3);
  EXPECT_NEAR(topology.stragglers[0].latency_factor, 1.0, 0.1);
  EXPECT_TRUE(topology.slow_links.empty());
  EXPECT_THAT(topology.findings, testing::Contains(HasSubstr("rank 5 (h1) is a straggler")));
}

// Four hosts, the link of the third ten times slower: three of the six pairs are its own, and a
// level's median over all of them lies between both kinds. Made without noise, so ten is ten.
TEST(FindLevels, ComparesAStragglerWithPairsThatDoNotTouchIt) {
  const auto link = [](std::int64_t a, std::int64_t b) {
    return a == 2 || b == 2 ? Link{30.0, 0.00125} : Link{30.0, 0.0125};
  };
  const auto topology = find_levels(made(4, 0.0, link), hosts_of(4, 1));
  ASSERT_EQ(topology.stragglers.size(), 1U);
  EXPECT_EQ(topology.stragglers[0].rank, 2);
  EXPECT_NEAR(topology.stragglers[0].bandwidth_factor, 10.0, 1e-9);
  EXPECT_NEAR(topology.stragglers[0].latency_factor, 1.0, 1e-9);
  ASSERT_EQ(topology.levels.size(), 1U);
  // What the links of sound ranks are like: three pairs alike, half of one lost.
  EXPECT_NEAR(topology.levels[0].bandwidth.in(gigabyte_rate), 0.0125, 1e-12);
  EXPECT_EQ(topology.levels[0].pairs, 6);
  EXPECT_DOUBLE_EQ(topology.levels[0].confidence, 2.5 / 3.0);
  EXPECT_TRUE(topology.slow_links.empty());
}

// Of three ranks' three pairs, two slow ones have one rank in common; one slow pair, or two ranks,
// leave open which of the two it is.
TEST(FindLevels, NamesTheOddOneOfThree) {
  const auto slow_beside = [](std::int64_t odd) {
    return [odd](std::int64_t a, std::int64_t b) {
      return a == odd || b == odd ? Link{30.0, 0.0025} : Link{30.0, 0.025};
    };
  };
  for (std::int64_t odd = 0; odd < 3; ++odd) {
    const auto topology = find_levels(made(3, 0.0, slow_beside(odd)), hosts_of(3, 1));
    ASSERT_EQ(topology.stragglers.size(), 1U) << odd;
    EXPECT_EQ(topology.stragglers[0].rank, odd);
    EXPECT_NEAR(topology.stragglers[0].bandwidth_factor, 10.0, 1e-9);
  }
  const auto one_pair = [](std::int64_t a, std::int64_t b) {
    return a == 0 && b == 1 ? Link{30.0, 0.0025} : Link{30.0, 0.025};
  };
  const auto topology = find_levels(made(3, 0.0, one_pair), hosts_of(3, 1));
  EXPECT_TRUE(topology.stragglers.empty());
  EXPECT_EQ(topology.slow_links.size(), 1U);
  EXPECT_TRUE(find_levels(made(2, 0.0, slow_beside(0)), hosts_of(2, 1)).stragglers.empty());
}

// Two of eight: each is compared with the fifteen pairs of the other six, not with the other one.
TEST(FindLevels, ComparesTwoStragglersWithTheSoundRanks) {
  const auto link = [](std::int64_t a, std::int64_t b) {
    const auto slowness = [](std::int64_t rank) { return rank == 1 ? 4.0 : rank == 6 ? 2.0 : 1.0; };
    return Link{1.0 * std::max(slowness(a), slowness(b)), 10.0};
  };
  const auto topology = find_levels(made(8, 0.0, link), hosts_of(8, 1));
  ASSERT_EQ(topology.stragglers.size(), 2U);
  EXPECT_EQ(topology.stragglers[0].rank, 1);
  EXPECT_NEAR(topology.stragglers[0].latency_factor, 4.0, 1e-9);
  EXPECT_EQ(topology.stragglers[1].rank, 6);
  EXPECT_NEAR(topology.stragglers[1].latency_factor, 2.0, 1e-9);
}

// Links of one kind name nobody, however few the ranks, in 50 draws: but for one at most.
TEST(FindLevels, NamesNoStragglerInNoise) {
  for (const std::int64_t ranks : {3, 4, 5, 8, 16}) {
    int named = 0;
    for (unsigned seed = 1; seed <= 50; ++seed) {
      const auto topology = find_levels(made(
                                            ranks, 0.1, [](auto, auto) { return Link{}; }, seed),
                                        hosts_of(ranks, 1));
      named += static_cast<int>(topology.stragglers.size());
    }
    EXPECT_LE(named, 1) << ranks;
  }
}

// One cable at a quarter of its rate: the four pairs of ranks behind it, nothing else.
TEST(FindLevels, NamesSlowLinks) {
  const auto link = [](std::int64_t a, std::int64_t b) {
    Link at = two_levels(a, b, 2);
    if (a / 2 == 1 && b / 2 == 3) {
      at.bandwidth_gbs /= 4.0;
    }
    return at;
  };
  const auto topology = find_levels(made(16, 0.05, link), hosts_of(16, 2));
  EXPECT_THAT(sizes_of(topology), ElementsAre(2, 16));
  EXPECT_TRUE(topology.stragglers.empty());
  ASSERT_EQ(topology.slow_links.size(), 4U);
  for (const SlowLink& slow : topology.slow_links) {
    EXPECT_EQ(slow.first / 2, 1);
    EXPECT_EQ(slow.second / 2, 3);
    EXPECT_EQ(slow.level, "network");
    EXPECT_NEAR(slow.bandwidth_factor, 4.0, 0.8);
  }
}

TEST(FindLevels, SaysWhenHostsDoNotShow) {
  const auto topology =
      find_levels(made(8, 0.05, [](auto, auto) { return Link{}; }), hosts_of(8, 4));
  EXPECT_EQ(topology.agreement, HostAgreement::conflict);
  EXPECT_THAT(topology.findings,
              ElementsAre(HasSubstr("2 hosts were discovered, but links between them measure like "
                                    "those inside")));
}

// Ranks 2 and 3 say that they run on h0 but are near those of h1.
TEST(FindLevels, SaysWhenGroupsAreNotTheHosts) {
  const auto link = [](std::int64_t a, std::int64_t b) {
    const auto place = [](std::int64_t rank) { return rank < 2 ? 0 : 1; };
    return place(a) == place(b) ? Link{0.5, 12.0} : Link{20.0, 0.12};
  };
  const auto topology = find_levels(made(8, 0.05, link), hosts_of(8, 4));
  EXPECT_EQ(topology.agreement, HostAgreement::conflict);
  EXPECT_THAT(topology.findings, testing::Contains(HasSubstr("{0,1} {2,3,4,5,6,7}")));
}

TEST(FindLevels, TakesHostsOfUnequalSize) {
  const auto link = [](std::int64_t a, std::int64_t b) {
    return two_levels(a, b, 4);  // {0,1,2,3} and {4}
  };
  const auto topology = find_levels(made(5, 0.05, link), hosts_of(5, 4));
  EXPECT_THAT(sizes_of(topology), ElementsAre(4, 5));
  EXPECT_EQ(topology.agreement, HostAgreement::agrees);
}

TEST(FindLevels, CallsLinksBetweenLonelyRanksNetwork) {
  const auto topology =
      find_levels(made(3, 0.0, [](auto, auto) { return Link{}; }), hosts_of(3, 1));
  ASSERT_EQ(topology.levels.size(), 1U);
  EXPECT_EQ(topology.levels[0].name, "network");
  EXPECT_EQ(topology.agreement, HostAgreement::agrees);
}

TEST(FindLevels, HasNothingToSayOfOneRankAndLittleOfTwo) {
  EXPECT_TRUE(find_levels({}, {"here"}).levels.empty());
  const auto topology =
      find_levels(made(2, 0.0, [](auto, auto) { return Link{}; }), {"here", "here"});
  ASSERT_EQ(topology.levels.size(), 1U);
  EXPECT_EQ(topology.levels[0].name, "node");
  EXPECT_DOUBLE_EQ(topology.levels[0].confidence, 0.5);
}

// Neighbours 1, 2, 4, ... apart only, as beyond 64 ranks: a tenth of all pairs.
TEST(FindLevels, WorksFromASample) {
  constexpr std::int64_t ranks = 128;
  auto pairs = made(ranks, 0.1, [](auto a, auto b) { return two_levels(a, b, 8); });
  std::erase_if(pairs, [](const PairDistance& pair) {
    const auto apart = static_cast<unsigned>(pair.second - pair.first);
    return (apart & (apart - 1)) != 0 && apart % 11 != 0;
  });
  ASSERT_LT(pairs.size(), 2000U);
  const auto topology = find_levels(pairs, hosts_of(ranks, 8));
  EXPECT_THAT(sizes_of(topology), ElementsAre(8, 128));
  EXPECT_EQ(topology.agreement, HostAgreement::agrees);
}

TEST(FindLevels, RefusesWhatIsNoDistance) {
  const auto hosts = hosts_of(4, 4);
  EXPECT_THROW((void)find_levels({}, hosts), std::invalid_argument);
  auto pairs = made(4, 0.0, [](auto, auto) { return Link{}; });
  pairs[0].latency = Seconds();
  EXPECT_THROW((void)find_levels(pairs, hosts), std::invalid_argument);
}

MeasuredLevel level_of(std::int64_t devices, double together_gbs, double alone_gbs) {
  MeasuredLevel level;
  level.devices = devices;
  level.pairs = 4;
  level.latency = 30.0 * unit::microsecond;
  level.latency_alone = 20.0 * unit::microsecond;
  level.bandwidth = together_gbs * gigabyte_rate;
  level.bandwidth_alone = alone_gbs * gigabyte_rate;
  return level;
}

TEST(LinkLevels, AreADevicesShareAfterTheLatencyAlone) {
  MeasuredTopology topology;
  topology.levels = {level_of(2, 6.0, 10.0), level_of(4, 1.5, 2.0)};
  const auto levels = link_levels(topology, 2);
  ASSERT_EQ(levels.size(), 2U);
  EXPECT_DOUBLE_EQ(levels[0].latency.in(unit::microsecond), 20.0);
  EXPECT_DOUBLE_EQ(levels[0].bandwidth.in(gigabyte_rate), 6.0);
  EXPECT_DOUBLE_EQ(levels[1].bandwidth.in(gigabyte_rate), 1.5);
  EXPECT_EQ(levels[1].devices, 4);
}

// Four hosts of a rank: rank 3 has a tenth of the others' bandwidth and twice their latency. Of the
// groups of two one holds it, and all wait for that one.
TEST(LinkLevels, AreAsSlowAsTheWorstStraggler) {
  const auto link = [](std::int64_t, std::int64_t second) {
    return second == 3 ? Link{40.0, 0.1} : Link{20.0, 1.0};
  };
  const auto topology = find_levels(made(4, 0.0, link), hosts_of(4, 1));
  ASSERT_EQ(topology.stragglers.size(), 1U);
  const auto levels = link_levels(topology, 1);
  ASSERT_EQ(levels.size(), 1U);
  EXPECT_NEAR(levels[0].latency.in(unit::microsecond), 40.0, 1e-6);
  EXPECT_NEAR(levels[0].bandwidth.in(gigabyte_rate), 0.1, 1e-9);
  EXPECT_THAT(levels[0].source, testing::HasSubstr("as slow as rank 3 is"));
}

// Two sockets of two ranks in a node of four: the node's link decides.
TEST(LinkLevels, HaveOneInsideANode) {
  MeasuredTopology topology;
  topology.levels = {level_of(2, 6.0, 10.0), level_of(4, 3.0, 5.0), level_of(8, 1.5, 2.0)};
  const auto levels = link_levels(topology, 4);
  ASSERT_EQ(levels.size(), 2U);
  EXPECT_DOUBLE_EQ(levels[0].bandwidth.in(gigabyte_rate), 3.0);
  EXPECT_DOUBLE_EQ(levels[1].bandwidth.in(gigabyte_rate), 1.5);
}

}  // namespace
}  // namespace forerun
