// What can be said of any machine that runs this test, with and without a readable system.
#include "topologies/discover_node.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

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

// Two sockets. On the first: a GPU and an InfiniBand port behind one PCIe switch, and a GPU at
// another port of the same host bridge; on the second a GPU. hwloc reads its own export instead of
// the system.
constexpr const char* two_sockets = R"(<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0">
 <object type="Machine" os_index="0" cpuset="0x3" complete_cpuset="0x3" allowed_cpuset="0x3" nodeset="0x3" complete_nodeset="0x3" allowed_nodeset="0x3" gp_index="1">
  <object type="Package" os_index="0" cpuset="0x1" complete_cpuset="0x1" nodeset="0x1" complete_nodeset="0x1" gp_index="2">
   <object type="NUMANode" os_index="0" cpuset="0x1" complete_cpuset="0x1" nodeset="0x1" complete_nodeset="0x1" gp_index="3" local_memory="1073741824"/>
   <object type="Core" os_index="0" cpuset="0x1" complete_cpuset="0x1" nodeset="0x1" complete_nodeset="0x1" gp_index="4">
    <object type="PU" os_index="0" cpuset="0x1" complete_cpuset="0x1" nodeset="0x1" complete_nodeset="0x1" gp_index="5"/>
   </object>
   <object type="Bridge" gp_index="20" bridge_type="0-1" depth="0" bridge_pci="0000:[00-3f]">
    <object type="Bridge" gp_index="21" bridge_type="1-1" depth="1" bridge_pci="0000:[10-1f]" pci_busid="0000:00:01.0" pci_type="0604 [8086:1] [0:0] 00" pci_link_speed="0.0">
     <object type="Bridge" gp_index="22" bridge_type="1-1" depth="2" bridge_pci="0000:[11-1f]" pci_busid="0000:10:00.0" pci_type="0604 [1000:1] [0:0] 00" pci_link_speed="0.0">
      <object type="Bridge" gp_index="23" bridge_type="1-1" depth="3" bridge_pci="0000:[18-18]" pci_busid="0000:11:00.0" pci_type="0604 [1000:1] [0:0] 00" pci_link_speed="0.0">
       <object type="PCIDev" gp_index="24" pci_busid="0000:18:00.0" pci_type="0302 [10de:2330] [0:0] a1" pci_link_speed="0.0"/>
      </object>
      <object type="Bridge" gp_index="25" bridge_type="1-1" depth="3" bridge_pci="0000:[19-19]" pci_busid="0000:11:01.0" pci_type="0604 [1000:1] [0:0] 00" pci_link_speed="0.0">
       <object type="PCIDev" gp_index="26" pci_busid="0000:19:00.0" pci_type="0207 [15b3:1021] [0:0] 00" pci_link_speed="0.0">
        <object type="OSDev" gp_index="27" name="mlx5_0" osdev_type="3"/>
       </object>
      </object>
     </object>
    </object>
    <object type="Bridge" gp_index="28" bridge_type="1-1" depth="1" bridge_pci="0000:[2a-2a]" pci_busid="0000:00:02.0" pci_type="0604 [8086:1] [0:0] 00" pci_link_speed="0.0">
     <object type="PCIDev" gp_index="29" pci_busid="0000:2a:00.0" pci_type="0302 [10de:2330] [0:0] a1" pci_link_speed="0.0"/>
    </object>
   </object>
  </object>
  <object type="Package" os_index="1" cpuset="0x2" complete_cpuset="0x2" nodeset="0x2" complete_nodeset="0x2" gp_index="6">
   <object type="NUMANode" os_index="1" cpuset="0x2" complete_cpuset="0x2" nodeset="0x2" complete_nodeset="0x2" gp_index="7" local_memory="1073741824"/>
   <object type="Core" os_index="1" cpuset="0x2" complete_cpuset="0x2" nodeset="0x2" complete_nodeset="0x2" gp_index="8">
    <object type="PU" os_index="1" cpuset="0x2" complete_cpuset="0x2" nodeset="0x2" complete_nodeset="0x2" gp_index="9"/>
   </object>
   <object type="Bridge" gp_index="30" bridge_type="0-1" depth="0" bridge_pci="0000:[80-9f]">
    <object type="PCIDev" gp_index="31" pci_busid="0000:9a:00.0" pci_type="0302 [10de:2330] [0:0] a1" pci_link_speed="0.0"/>
   </object>
  </object>
 </object>
</topology>
)";

TEST(DiscoverNode, FindsWhatJoinsGpusAndNetworkDevices) {
  const std::string path = testing::TempDir() + "two_sockets.xml";
  std::ofstream(path) << two_sockets;
  ASSERT_EQ(setenv("HWLOC_XMLFILE", path.c_str(), 1), 0);
  const NodeDescription node = discover_node();
  unsetenv("HWLOC_XMLFILE");
  ASSERT_EQ(node.gpus.size(), 3U);
  const auto path_of = [&](const std::string& first, const std::string& second) {
    const auto found = std::ranges::find_if(node.links, [&](const DeviceLink& link) {
      return link.first == first && link.second == second;
    });
    return found == node.links.end() ? std::string("none") : found->path;
  };
  EXPECT_EQ(path_of("0000:18:00.0", "mlx5_0"), "pcie switch");
  EXPECT_EQ(path_of("0000:18:00.0", "0000:2a:00.0"), "host bridge");
  EXPECT_EQ(path_of("0000:2a:00.0", "mlx5_0"), "host bridge");
  EXPECT_EQ(path_of("0000:18:00.0", "0000:9a:00.0"), "system");
  EXPECT_EQ(path_of("0000:9a:00.0", "mlx5_0"), "system");
  EXPECT_EQ(node.links.size(), 6U);
}

// CUDA counts NVLinks and writes ids in capitals; where it knows no path, hwloc's stands.
TEST(JoinedLinks, KeepWhatEitherSourceKnows) {
  const std::vector<DeviceLink> joined = joined_links(
      {{"0000:1a:00.0", "0000:2b:00.0", "host bridge"}, {"0000:1a:00.0", "eth0", "system"}},
      {{"0000:2B:00.0", "0000:1A:00.0", "", 18, true}, {"0000:1A:00.0", "x", "system"}});
  ASSERT_EQ(joined.size(), 3U);
  EXPECT_EQ(joined[0].first, "0000:2b:00.0");
  EXPECT_EQ(joined[0].path, "host bridge");
  EXPECT_EQ(joined[0].nvlinks, 18);
  EXPECT_EQ(joined[0].peer_access, true);
  EXPECT_EQ(joined[1].second, "eth0");
}

}  // namespace
}  // namespace forerun
