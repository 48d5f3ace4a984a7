// What can be said of any machine that runs this test, with and without a readable system.
#include "topologies/discover_node.hpp"

#include <array>
#include <cstdlib>

#include <gtest/gtest.h>
#include <unistd.h>

#include "units/unit.hpp"

namespace forerun {
namespace {

TEST(DiscoverNode, NamesTheHost) {
  std::array<char, 256> name{};
  ASSERT_EQ(gethostname(name.data(), name.size() - 1), 0);
  EXPECT_EQ(discover_node().host, name.data());
}

TEST(DiscoverNode, BindsAtMostAllCores) {
  const NodeDescription node = discover_node();
  EXPECT_GE(node.bound_cores, 1);
  EXPECT_LE(node.bound_cores, node.cores);
}

TEST(DiscoverNode, CoresFillSocketsAndDomains) {
  const NodeDescription node = discover_node();
  EXPECT_GE(node.sockets, 1);
  EXPECT_GE(node.numa_domains, 1);
  EXPECT_GE(node.cores, node.sockets);
}

// sysconf counts the pages of the whole machine, hwloc those that it may see.
TEST(DiscoverNode, MemoryIsNoMoreThanTheMachines) {
  const double pages = static_cast<double>(sysconf(_SC_PHYS_PAGES));
  const double page = static_cast<double>(sysconf(_SC_PAGESIZE));
  const double found = discover_node().memory.in(unit::byte);
  EXPECT_GT(found, 0.0);
  EXPECT_LE(found, pages * page * 1.001);
}

// hwloc reads an empty root instead of the system's files.
TEST(DiscoverNode, SurvivesAMachineWithoutSys) {
  ASSERT_EQ(setenv("HWLOC_FSROOT", "/nonexistent", 1), 0);
  const NodeDescription node = discover_node();
  unsetenv("HWLOC_FSROOT");
  EXPECT_GE(node.cores, 1);
  EXPECT_GT(node.memory.in(unit::byte), 0.0);
}

}  // namespace
}  // namespace forerun
