// The tree on disk keeps the rules of the house, and the checker notices when one does not.
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/architecture/include_rules.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// A house of a few files in a temporary folder.
class PlantedTree : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(root_); }

  void TearDown() override { fs::remove_all(root_); }

  void plant(const std::string& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }

  [[nodiscard]] std::vector<std::string> found() const { return broken_rules(root_); }

  [[nodiscard]] const fs::path& root() const { return root_; }

  /// What is said of `file` when it includes this foreign header.
  [[nodiscard]] std::vector<std::string> found_in(const std::string& file,
                                                  const std::string& header) {
    fs::remove_all(root_);
    plant(file, "#include <" + header + ">\n");
    return found();
  }

 private:
  fs::path root_ = fs::temp_directory_path() / ("forerun_tree_" + std::to_string(getpid()));
};

TEST(Architecture, EveryIncludeKeepsTheRules) {
  EXPECT_THAT(broken_rules(FORERUN_SOURCE_DIR), IsEmpty());
}

TEST(Architecture, EveryHeaderSaysWhatLivesThereAndIsReadOnce) {
  EXPECT_THAT(headers_without_opening(FORERUN_SOURCE_DIR), IsEmpty());
}

// Guards the two tests above against looking into an empty folder.
TEST(Architecture, TheTreeIsSeen) {
  const auto includes = includes_below(FORERUN_SOURCE_DIR);
  EXPECT_THAT(includes, Contains(testing::Field(&Include::file, "units/unit.hpp")));
  EXPECT_THAT(includes, Contains(testing::Field(&Include::included, "units/quantity.hpp")));
}

TEST_F(PlantedTree, NamesBothFilesOfAForbiddenInclude) {
  plant("jobs/job.hpp", "");
  plant("comm/ring.cpp", "// x\n\n#include \"jobs/job.hpp\"\n");
  EXPECT_THAT(found(),
              ElementsAre("comm/ring.cpp:3 includes jobs/job.hpp: comm may include units, "
                          "topologies, comm only"));
}

TEST_F(PlantedTree, LetsEachFloorSeeTheFloorsBelowIt) {
  for (const char* const floor : {"units", "jobs", "topologies", "kernels", "comm"}) {
    plant(std::string(floor) + "/a.hpp", "#include \"units/a.hpp\"\n");
  }
  plant("kernels/b.hpp", "#include \"topologies/a.hpp\"\n");
  plant("comm/b.hpp", "#include \"topologies/a.hpp\"\n");
  plant("estimator/step/a.hpp", "#include \"kernels/a.hpp\"\n#include \"comm/a.hpp\"\n");
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(PlantedTree, ForbidsEachFloorTheFloorsBesideAndAboveIt) {
  for (const char* const floor : {"units", "jobs", "topologies", "kernels", "comm", "estimator"}) {
    plant(std::string(floor) + "/a.hpp", "");
  }
  plant("units/bad.hpp", "#include \"jobs/a.hpp\"\n");
  plant("jobs/bad.hpp", "#include \"topologies/a.hpp\"\n");
  plant("topologies/bad.hpp", "#include \"jobs/a.hpp\"\n");
  plant("kernels/bad.hpp", "#include \"comm/a.hpp\"\n#include \"jobs/a.hpp\"\n");
  plant("comm/bad.hpp", "#include \"kernels/a.hpp\"\n#include \"jobs/a.hpp\"\n");
  plant("kernels/worse.hpp", "#include \"estimator/a.hpp\"\n");
  EXPECT_THAT(found(), SizeIs(8));
}

TEST_F(PlantedTree, ForbidsProductionCodeToIncludeTests) {
  plant("tests/fake.hpp", "");
  plant("estimator/cli/a.cpp", "#include \"tests/fake.hpp\"\n");
  EXPECT_THAT(found(), SizeIs(1));
}

TEST_F(PlantedTree, LetsTheEstimatorLookToTheLeft) {
  plant("estimator/step/a.hpp", "");
  plant("estimator/measure/a.hpp", "");
  plant("estimator/cli/a.hpp", "#include \"estimator/measure/a.hpp\"\n");
  plant("estimator/rehearse/a.hpp",
        "#include \"estimator/step/a.hpp\"\n#include \"estimator/measure/a.hpp\"\n");
  plant("estimator/profile/a.hpp", "#include \"estimator/step/a.hpp\"\n");
  plant("estimator/main.cpp", "#include \"estimator/cli/a.hpp\"\n");
  EXPECT_THAT(found(), IsEmpty());
}

TEST_F(PlantedTree, ForbidsTheEstimatorToLookToTheRight) {
  plant("estimator/rehearse/a.hpp", "");
  plant("estimator/measure/a.cpp", "#include \"estimator/rehearse/a.hpp\"\n");
  EXPECT_THAT(found(),
              ElementsAre("estimator/measure/a.cpp:1 includes estimator/rehearse/a.hpp: "
                          "estimator/measure may include what stands to its left only (step, run, "
                          "profile, backend)"));
}

TEST_F(PlantedTree, ForbidsVerbsOfOneColumnToKnowEachOther) {
  plant("estimator/forecast/a.hpp", "");
  plant("estimator/rehearse/a.cpp", "#include \"estimator/forecast/a.hpp\"\n");
  EXPECT_THAT(found(), SizeIs(1));
}

TEST_F(PlantedTree, ForbidsStepToSeeTheProfile) {
  plant("estimator/profile/a.hpp", "");
  plant("estimator/step/a.cpp", "#include \"estimator/profile/a.hpp\"\n");
  EXPECT_THAT(found(), SizeIs(1));
}

TEST_F(PlantedTree, ForbidsRoomsThatAreNotInThePlan) {
  plant("estimator/step/a.hpp", "");
  plant("estimator/helpers/a.cpp", "#include \"estimator/step/a.hpp\"\n");
  EXPECT_THAT(found(), ElementsAre(HasSubstr("no place in the plan")));
}

TEST_F(PlantedTree, KeepsStepAndRunPure) {
  for (const char* const header :
       {"fstream", "iostream", "chrono", "thread", "random", "dlfcn.h"}) {
    EXPECT_THAT(found_in("estimator/step/a.cpp", header), SizeIs(1)) << header;
    EXPECT_THAT(found_in("estimator/run/a.cpp", header), SizeIs(1)) << header;
  }
  EXPECT_THAT(found_in("estimator/measure/a.cpp", "chrono"), IsEmpty());
}

TEST_F(PlantedTree, KeepsForeignHeadersAtHome) {
  const std::vector<std::pair<std::string, std::string>> homes{
      {"mpi.h", "comm/mpi/a.cpp"},
      {"mpi.h", "tests/mpi_main.cpp"},
      {"nccl.h", "comm/nccl/a.cpp"},
      {"cuda_runtime.h", "kernels/cuda/a.cu"},
      {"cublasLt.h", "kernels/cuda/a.cpp"},
      {"cudnn_graph.h", "kernels/cuda/a.hpp"},
      {"cuda_runtime_api.h", "comm/nccl/a.cpp"},
      {"boost/program_options.hpp", "estimator/cli/a.cpp"},
      {"Eigen/Dense", "estimator/profile/a.cpp"},
      {"toml++/toml.h", "topologies/a.cpp"},
      {"cuda_runtime_api.h", "tests/fake/a.cpp"},
      {"dlfcn.h", "estimator/backend/a.cpp"},
      {"dlfcn.h", "kernels/cuda/management_library.cpp"},
      {"dnnl.hpp", "kernels/host/a.cpp"},
      {"oneapi/dnnl/dnnl.hpp", "tests/benchmarks/a.cpp"},
      {"hwloc.h", "topologies/a.cpp"}};
  for (const auto& [header, home] : homes) {
    EXPECT_THAT(found_in(home, header), IsEmpty()) << header << " in " << home;
    EXPECT_THAT(found_in("jobs/a.hpp", header), SizeIs(1)) << header;
  }
}

TEST_F(PlantedTree, WantsPathsFromTheRoot) {
  plant("units/a.hpp", "");
  plant("units/b.hpp", "#include \"a.hpp\"\n");
  EXPECT_THAT(found(),
              ElementsAre("units/b.hpp:1 includes a.hpp: there is no such file, seen from the "
                          "root"));
}

TEST_F(PlantedTree, FindsHeadersThatDoNotSayWhatLivesThere) {
  plant("units/good.hpp", "// Says it.\n// And more.\n#pragma once\n");
  plant("units/silent.hpp", "#pragma once\n");
  plant("units/twice.hpp", "// Says it.\n");
  EXPECT_THAT(headers_without_opening(root()), ElementsAre("units/silent.hpp", "units/twice.hpp"));
}

}  // namespace
}  // namespace forerun
