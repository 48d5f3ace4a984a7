// The topology of made profiles, drawn for 4 and for 32 ranks.
#include "estimator/cli/show_topology.hpp"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "estimator/cli/show_comparison.hpp"
#include "estimator/profile/profile_json.hpp"
#include "tests/estimator/profile/made_profile.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

using testing::HasSubstr;

// `ranks` ranks, four a host; the pair 0-5 at a tenth of the rate.
std::string written_profile(std::int64_t ranks) {
  Profile profile = made_profile();
  profile.ranks = ranks;
  profile.hosts.clear();
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    profile.hosts.push_back("host" + std::to_string(rank / 4));
  }
  std::vector<PairDistance> pairs;
  for (std::int64_t a = 0; a < ranks; ++a) {
    for (std::int64_t b = a + 1; b < ranks; ++b) {
      const bool is_near = a / 4 == b / 4;
      const double slow = a == 0 && b == 5 ? 0.1 : 1.0;
      pairs.push_back({a,
                       b,
                       (is_near ? 1e-6 : 25e-6) * unit::second,
                       slow * (is_near ? 5e9 : 118e6) * unit::byte / unit::second,
                       0.01,
                       0.01});
    }
  }
  profile.topology = find_levels(std::move(pairs), profile.hosts);
  const auto path = std::filesystem::temp_directory_path() /
                    ("forerun_topology_" + std::to_string(::getpid()) + ".json");
  std::ofstream(path) << to_json(profile).dump();
  return path.string();
}

std::string drawn(std::int64_t ranks) {
  const std::string path = written_profile(ranks);
  std::ostringstream text;
  print_topology(topology_document(path), text);
  std::filesystem::remove(path);
  return text.str();
}

TEST(ShowTopology, DrawsTreeAndNumbersOfEightRanks) {
  const std::string text = drawn(8);
  EXPECT_THAT(text, HasSubstr("|-- ranks 0-3 on host0\n`-- ranks 4-7 on host1\n"));
  EXPECT_THAT(text, HasSubstr("  network: 118 MB/s each"));
  EXPECT_THAT(text, HasSubstr("   0     .    5G    5G    5G  118M  11.8M  118M"));
  EXPECT_THAT(text, HasSubstr("   4  25us  25us  25us  25us     .     5G"));
  EXPECT_THAT(text, HasSubstr("ranks 0 (host0) and 5 (host1) are slow"));
}

TEST(ShowTopology, DrawsSignsOf32Ranks) {
  const std::string text = drawn(32);
  EXPECT_THAT(text, HasSubstr("level between ranks: 1 node, 2 network, ! slower than its level"));
  EXPECT_THAT(text, HasSubstr("     0  .1112!22222222222222222222222222  host0\n"));
  EXPECT_THAT(text, HasSubstr("     5  !2221.11222222222222222222222222  host1\n"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line) && !line.starts_with("the groups of");) {
    EXPECT_LE(line.size(), 120U) << line;
  }
}

TEST(ShowTopology, KeepsEveryNumberInItsMatrices) {
  const std::string path = written_profile(4);
  const auto document = topology_document(path);
  std::filesystem::remove(path);
  const auto& rates = document["measured"]["bandwidth_matrix_bytes_per_s"];
  EXPECT_DOUBLE_EQ(rates[0][1].get<double>(), 5e9);
  EXPECT_EQ(rates[2][1], rates[1][2]);
  EXPECT_TRUE(rates[3][3].is_null());
}

TEST(ShowComparison, RefusesWhatIsNoProfile) {
  EXPECT_THROW((void)comparison_document({"dgx-h100", "dgx-a100"}, 0.05), InputError);
  const std::string path = written_profile(4);
  EXPECT_THROW((void)comparison_document({path, "catalog"}, 0.05), InputError);  // "a CPU"
  EXPECT_EQ(comparison_document({path, path}, 0.05)["slower"], 0);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace forerun
