// The examples that --help prints run as they are printed. Those of rehearse and the first of
// measure need ranks and minutes: that they parse is tested beside the help.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <unistd.h>

#include "estimator/cli/help.hpp"
#include "estimator/report/report.hpp"
#include "tests/estimator/import/log_text.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;

class Examples : public testing::TestWithParam<Verb> {
 protected:
  static void SetUpTestSuite() {
    const fs::path results = fs::path(FORERUN_SOURCE_DIR) / "tests/estimator/report/results";
    fs::create_directories(folder());
    for (const char* const name : {"profile.json", "rehearsal.json"}) {
      fs::copy_file(results / name, folder() / name);
    }
    if (has_reference_data()) {
      const fs::path data(FORERUN_REFERENCE_DATA);
      fs::copy_file(data / "published/training_runs.csv", folder() / "training_runs.csv");
      fs::create_directory_symlink(data / "measurements", folder() / "measurements");
    }
  }

  static void TearDownTestSuite() { fs::remove_all(folder()); }

  /// Shared by the verbs: what one writes another reads.
  [[nodiscard]] static fs::path folder() {
    return fs::temp_directory_path() / ("forerun_examples_" + std::to_string(::getpid()));
  }

  [[nodiscard]] static bool has_reference_data() {
    const std::string_view data(FORERUN_REFERENCE_DATA);
    return !data.empty() && fs::exists(fs::path(data) / "published/training_runs.csv");
  }
};

/// Exit code of an example, run in `folder`.
int status_of(std::string_view example, const fs::path& folder) {
  const std::string command = "cd '" + folder.string() +
                              "' && PATH='" FORERUN_BIN_DIR "':$PATH && " + std::string(example) +
                              " > output.txt 2>&1";
  return WEXITSTATUS(std::system(command.c_str()));
}

TEST_P(Examples, RunAsTheyArePrinted) {
  const bool reads_reference = GetParam() == Verb::validate || GetParam() == Verb::report;
  if (reads_reference && !has_reference_data()) {
    GTEST_SKIP() << "no reference data";
  }
  if (GetParam() == Verb::report && page_template().empty()) {
    GTEST_SKIP() << "this build has no page: " << page_missing_because();
  }
  for (const std::string_view example : examples_of(GetParam())) {
    const int code = status_of(example, folder());
    // 3: the 405B model does not fit in that layout, which is what the example shows.
    EXPECT_TRUE(code == 0 || code == 3) << example << " ended with " << code;
  }
}

TEST(ExamplesOfFiles, MeasureOneKernelThenImportAndMerge) {
  const fs::path folder =
      fs::temp_directory_path() / ("forerun_kernel_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  EXPECT_EQ(status_of(examples_of(Verb::measure)[1], folder), 0);
  fs::copy_file(folder / "kernel.json", folder / "profile.json");
  std::ofstream(folder / "all_reduce_perf.log") << nccl_log;
  for (const std::string_view example : examples_of(Verb::import)) {
    EXPECT_EQ(status_of(example, folder), 0) << example;
  }
  fs::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Verbs,
                         Examples,
                         testing::Values(Verb::estimate,
                                         Verb::plan,
                                         Verb::capacity,
                                         Verb::forecast,
                                         Verb::show,
                                         Verb::validate,
                                         Verb::report),
                         [](const auto& verb) { return std::string(name_of(verb.param)); });

}  // namespace
}  // namespace forerun
