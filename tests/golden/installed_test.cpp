// What `cmake --install` lays out runs from where it lies: from a folder of its own, while nothing
// of the source and build trees can be seen, and with a user's own catalog before the installed
// one.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/golden/program.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::array verbs{"measure",
                           "rehearse",
                           "estimate",
                           "plan",
                           "capacity",
                           "forecast",
                           "validate",
                           "report",
                           "import",
                           "show"};

class Installed : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    fs::create_directories(folder());
    const std::string command = "cmake --install '" FORERUN_BUILD_DIR "' --prefix '" +
                                prefix().string() + "' > '" + (folder() / "log.txt").string() +
                                "' 2>&1";
    ASSERT_EQ(std::system(command.c_str()), 0) << text(folder() / "log.txt");
  }

  static void TearDownTestSuite() { fs::remove_all(folder()); }

  [[nodiscard]] static fs::path folder() {
    return fs::temp_directory_path() / ("forerun_installed_" + std::to_string(::getpid()));
  }

  [[nodiscard]] static fs::path prefix() { return folder() / "prefix"; }

  [[nodiscard]] static fs::path share() { return prefix() / "share"; }

  [[nodiscard]] static std::string text(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  static void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }

  /// Of `sh -c`, with the installed program in PATH.
  [[nodiscard]] static Outcome run(const std::string& command) {
    const std::string shell = hides_trees() ? hidden + " && " : std::string();
    const std::string variables =
        "PATH='" + (prefix() / "bin").string() + "':$PATH OMP_NUM_THREADS=1";
    write(folder() / "command.sh",
          shell + "cd '" + folder().string() + "' && export " + variables + "\n" + command + "\n");
    const std::string call = (hides_trees() ? std::string(apart) : std::string()) + "sh '" +
                             (folder() / "command.sh").string() + "' > '" +
                             (folder() / "out.txt").string() + "' 2> '" +
                             (folder() / "log.txt").string() + "'";
    const int raw = std::system(call.c_str());
    return {WIFEXITED(raw) ? WEXITSTATUS(raw) : -1,
            text(folder() / "out.txt"),
            text(folder() / "log.txt")};
  }

 private:
  static constexpr const char* apart = "unshare --map-root-user --mount ";
  inline static const std::string hidden =
      "mount -t tmpfs none '" FORERUN_BUILD_DIR "' && mount -t tmpfs none '" FORERUN_SOURCE_DIR "'";

  /// Whether this machine lets us hide folders; the tests run anyhow.
  [[nodiscard]] static bool hides_trees() {
    static const bool can =
        std::system((std::string(apart) + "sh -c \"" + hidden + "\" 2> /dev/null").c_str()) == 0;
    return can;
  }
};

TEST_F(Installed, ProgramAnswersFromItsCatalog) {
  const auto version = run("forerun --version");
  EXPECT_EQ(version.status, 0) << version.log;
  EXPECT_THAT(version.out, StartsWith("forerun "));
  const auto estimate =
      run("forerun estimate --model gpt2 --cluster dgx-a100 --devices 8 --batch 64");
  EXPECT_EQ(estimate.status, 0) << estimate.log;
  EXPECT_THAT(estimate.out, HasSubstr("step time"));
}

TEST_F(Installed, ProgramFindsItsModules) {
  const auto run_of_kernels = run(
      "forerun measure --model gpt2 --kernels-only --device host --time-budget 1s --out p.json");
  EXPECT_EQ(run_of_kernels.status, 0) << run_of_kernels.log;
  EXPECT_TRUE(fs::exists(folder() / "p.json"));
}

TEST_F(Installed, AnswersFromDiskAreThoseOfTheCatalogCompiledIn) {
  const std::string question =
      "estimate --model gpt2 --cluster dgx-a100 --devices 8 --batch 64 --format json";
  const auto installed = run("forerun " + question);
  ASSERT_EQ(installed.status, 0) << installed.log;
  ASSERT_TRUE(fs::exists(share() / "forerun/models/gpt2.json"));
  ASSERT_TRUE(fs::exists(share() / "forerun/clusters/dgx-a100.toml"));
  EXPECT_EQ(installed.out, run_program(question, folder()).out);
}

TEST_F(Installed, ModelsOfTheInstalledFolderAreKnown) {
  write(share() / "forerun/models/of-the-site.json", tiny_llama);
  const auto shown = run("forerun show --model of-the-site");
  fs::remove(share() / "forerun/models/of-the-site.json");
  EXPECT_EQ(shown.status, 0) << shown.log;
  EXPECT_THAT(shown.out, HasSubstr("of-the-site"));
}

TEST_F(Installed, OwnCatalogStandsBeforeTheInstalledOne) {
  write(folder() / "own/models/gpt2.json", tiny_llama);
  const std::string question =
      "estimate --model gpt2 --cluster dgx-a100 --devices 8 --batch 64 --seq 64 --format json";
  const auto shipped = run("forerun " + question);
  const auto own = run("FORERUN_DATA=own forerun " + question);
  ASSERT_EQ(own.status, 0) << own.log;
  const auto parameters = [](const Outcome& outcome) {
    return nlohmann::json::parse(outcome.out)["inputs"]["model"]["parameters"].get<double>();
  };
  EXPECT_GT(parameters(shipped), 1e8);
  EXPECT_LT(parameters(own), 1e6);
}

TEST_F(Installed, EveryVerbHasAPage) {
  EXPECT_THAT(text(share() / "man/man1/forerun.1"), HasSubstr(".TH"));
  for (const std::string verb : verbs) {
    EXPECT_THAT(text(share() / "man/man1" / ("forerun-" + verb + ".1")), HasSubstr(verb));
  }
}

TEST_F(Installed, ShellsCompleteItsVerbs) {
  const auto completed =
      run("bash -c '. \"" + (share() / "bash-completion/completions/forerun").string() +
          "\"; complete -p forerun'");
  EXPECT_EQ(completed.status, 0) << completed.log;
  EXPECT_THAT(text(share() / "zsh/vendor-completions/_forerun"), StartsWith("#compdef forerun"));
}

TEST_F(Installed, ModuleFileLeadsToThePrefix) {
  const fs::path modules = share() / "forerun/modulefiles/forerun";
  ASSERT_TRUE(fs::is_directory(modules));
  for (const auto& file : fs::directory_iterator(modules)) {
    EXPECT_THAT(text(file), StartsWith("#%Module"));
    // As the file says it: four folders above its own.
    EXPECT_EQ((file.path().parent_path() / "../../../..").lexically_normal(), prefix() / "");
  }
}

}  // namespace
}  // namespace forerun
