// Disks that fill, files that nobody may write, ranks that are killed, clocks that go back: the run
// ends with the cause, nothing measured is lost, no file is half written, no process stays.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/golden/program.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

// Kernels of one rank, so many that a test can step in between.
const std::string alone = FORERUN_BIN_DIR
    "/forerun measure --model tiny.json --seq 32 --kernels-only --precision fp32 --out p.json ";

class Fault : public testing::Test {
 protected:
  void SetUp() override { folder_.write("tiny.json", tiny_llama); }

  // No process of the run outlives its test.
  void TearDown() override {
    using namespace std::chrono_literals;
    for (int attempt = 0; attempt < 100 && !processes_here().empty(); ++attempt) {
      std::this_thread::sleep_for(50ms);
    }
    EXPECT_THAT(processes_here(), testing::IsEmpty());
  }

  // Runs a script in the folder; what it prints is out.txt and log.txt.
  Outcome run(const std::string& script) const {
    folder_.write(
        "script.sh",
        "cd '" + folder_.path().string() +
            "'\n"
            "until_true() { for i in $(seq 300); do \"$@\" && return; sleep 0.1; done; "
            "echo \"never: $*\" >&2; return 1; }\n"
            "has_lines() { [ \"$(cat p.json.journal 2>/dev/null | wc -l)\" -ge $1 ]; }\n" +
            script);
    const int raw = std::system(("sh '" + (folder_.path() / "script.sh").string() + "' > '" +
                                 (folder_.path() / "out.txt").string() + "' 2> '" +
                                 (folder_.path() / "log.txt").string() + "'")
                                    .c_str());
    return {
        WIFEXITED(raw) ? WEXITSTATUS(raw) : -1, folder_.read("out.txt"), folder_.read("log.txt")};
  }

  // The same with a small file system of its own at `disk`; skips the test where none may be made.
  std::optional<Outcome> run_with_disk(const std::string& options,
                                       const std::string& script) const {
    fs::create_directories(folder_.path() / "disk");
    const Outcome outcome =
        run("unshare --mount sh -c '\n"
            "mount -t tmpfs -o " +
            options + " forerun_test disk || exit 77\ncp tiny.json disk\ncd disk\n" + script +
            "' || exit $?\n");
    return outcome.status == 77 || outcome.log.find("unshare failed") != std::string::npos
               ? std::nullopt
               : std::optional(outcome);
  }

  // Keys of whole lines of a journal, and of a profile.
  static std::set<std::string> journal_keys(const std::string& text) {
    std::set<std::string> keys;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      const json record = json::parse(line, nullptr, false);
      if (record.is_object() && record.contains("key")) {
        keys.insert(record["key"]);
      }
    }
    return keys;
  }

  static std::set<std::string> profile_keys(const std::string& text) {
    std::set<std::string> keys;
    const json profile = json::parse(text);
    for (const char* list : {"kernels", "collectives"}) {
      for (const json& record : profile[list]) {
        keys.insert(record["key"]);
      }
    }
    return keys;
  }

  void expect_all_in_profile(const std::set<std::string>& measured, const std::string& profile) {
    const std::set<std::string> kept = profile_keys(profile);
    EXPECT_TRUE(std::ranges::includes(kept, measured));
    EXPECT_GT(measured.size(), 2U);
  }

  // Of two ranks that measure `what`, the second is killed once the journal has three lines with
  // `records`: it is named, no profile is written, and the next run's holds what was measured.
  void expect_killed_rank_named(const std::string& what,
                                const std::string& busy,
                                const std::string& records) {
    const std::string call =
        "mpirun -np 2 sh -c 'echo $$ > pid.$OMPI_COMM_WORLD_RANK; exec " FORERUN_BIN_DIR
        "/forerun measure " +
        what + " --stall-limit 10s --out p.json \"$@\"' sh ";
    const Outcome outcome = run("timeout -s KILL 100 " + call + busy +
                                " &\n"
                                "job=$!\n"
                                "has_records() { [ \"$(cat p.json.journal 2>/dev/null | grep -c '" +
                                records +
                                "')\" -gt 2 ]; }\n"
                                "until_true has_records\n"
                                "kill -KILL $(cat pid.1)\n"
                                "wait $job\n");
    EXPECT_NE(outcome.status, 0);
    EXPECT_THAT(outcome.log, AnyOf(HasSubstr("rank 1 on "), HasSubstr("process rank 1 ")));
    EXPECT_FALSE(fs::exists(folder_.path() / "p.json"));
    const std::set<std::string> measured = journal_keys(folder_.read("p.json.journal"));
    const Outcome again = run(call + "--resume --time-budget 1s");
    ASSERT_EQ(again.status, 0) << again.log;
    expect_all_in_profile(measured, folder_.read("p.json"));
  }

  [[nodiscard]] const TestFolder& folder() const { return folder_; }

 private:
  [[nodiscard]] std::vector<std::string> processes_here() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
      std::error_code ignored;
      const std::string place = fs::read_symlink(entry.path() / "cwd", ignored).string();
      if (place.starts_with(folder_.path().string())) {
        found.push_back(entry.path().filename().string());
      }
    }
    return found;
  }

  TestFolder folder_;
};

// At products: one rank dies inside one.
TEST_F(Fault, ARankKilledDuringAKernelIsNamed) {
  expect_killed_rank_named("--model tiny.json --layout tp=2 --seq 32 --precision fp32",
                           "--kernel 'gemm fp32 m=2048 n=2048 k=2048 nt'",
                           "\"key\"");
}

// Between ranks: what the other one waits for never comes.
TEST_F(Fault, ARankKilledDuringACollectiveIsNamed) {
  expect_killed_rank_named("--comm-only", "--time-budget 60s", "\"all_");
}

// Rank 1 stands still nine tenths of the time, in turns that are short beside a kernel: those of
// this model take a tenth of a millisecond and more.
TEST_F(Fault, ARankTenTimesSlowerIsNamed) {
  using namespace std::chrono_literals;
  folder().write("slow.json",
                 R"({"model_type": "llama", "hidden_size": 512, "intermediate_size": 1024,
                     "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 8,
                     "vocab_size": 4000, "max_position_embeddings": 1024})");
  std::atomic<bool> is_over = false;
  Outcome outcome;
  std::thread runner([&] {
    outcome = run("mpirun -np 2 sh -c 'echo $$ > pid.$OMPI_COMM_WORLD_RANK; exec " FORERUN_BIN_DIR
                  "/forerun measure --model slow.json --layout tp=2 --seq 1024 --precision fp32 "
                  "--time-budget 30s --out p.json'\n");
    is_over = true;
  });
  const auto has_begun = [&] { return !journal_keys(folder().read("p.json.journal")).empty(); };
  while (!is_over && !has_begun()) {
    std::this_thread::sleep_for(50ms);
  }
  const pid_t slow = std::atoi(folder().read("pid.1").c_str());
  while (!is_over && slow > 0 && ::kill(slow, SIGSTOP) == 0) {
    std::this_thread::sleep_for(1800us);
    ::kill(slow, SIGCONT);
    std::this_thread::sleep_for(200us);
  }
  runner.join();
  ASSERT_EQ(outcome.status, 0) << outcome.log;
  const json warnings = json::parse(folder().read("p.json"))["warnings"];
  const auto named = std::ranges::find_if(warnings, [](const json& sentence) {
    return sentence.get<std::string>().starts_with("straggler: rank 1 on ");
  });
  ASSERT_NE(named, warnings.end()) << warnings << outcome.log;
  const auto sentence = named->get<std::string>();
  const std::string verb = " takes ";
  const auto verb_at = sentence.find(verb);
  ASSERT_NE(verb_at, std::string::npos) << sentence;
  EXPECT_GT(std::stod(sentence.substr(verb_at + verb.size())), 3.0) << sentence;  // others load too
}

// A pipe of one page in the place of the unfinished profile: the kill comes while it is written.
TEST_F(Fault, AKillWhileTheProfileIsWrittenLosesNothing) {
  folder().write("p.json", "old");
  const std::string pipe = (folder().path() / "p.json.partial").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  ASSERT_GT(::fcntl(reader, F_SETPIPE_SZ, 4096), 0);
  Outcome outcome;
  std::thread runner([&] { outcome = run(alone + "--time-budget 2s &\necho $! >pid\nwait $!\n"); });
  pollfd arrival{reader, POLLIN, 0};
  EXPECT_EQ(::poll(&arrival, 1, 100'000), 1);
  EXPECT_EQ(::kill(std::atoi(folder().read("pid").c_str()), SIGKILL), 0);
  runner.join();
  ::close(reader);
  EXPECT_EQ(outcome.status, 128 + SIGKILL);
  EXPECT_EQ(folder().read("p.json"), "old");
  const std::set<std::string> measured = journal_keys(folder().read("p.json.journal"));
  fs::remove(folder().path() / "p.json");
  fs::remove(pipe);
  const Outcome again = run(alone + "--resume --time-budget 1s\n");
  ASSERT_EQ(again.status, 0) << again.log;
  expect_all_in_profile(measured, folder().read("p.json"));
}

TEST_F(Fault, AFullDiskKeepsWhatWasMeasuredAndGoesOnWhenThereIsRoom) {
  const auto outcome = run_with_disk("size=16k",
                                     alone +
                                         "--time-budget 20s\n"
                                         "echo status $?\n"
                                         "ls\n"
                                         "cp p.json.journal ..\n"
                                         "mount -o remount,size=10m forerun_test .\n" +
                                         alone +
                                         "--resume --time-budget 1s || exit 1\n"
                                         "cp p.json ..\n");
  if (!outcome) {
    GTEST_SKIP() << "a file system of one's own needs root (unshare, mount)";
  }
  ASSERT_EQ(outcome->status, 0) << outcome->log;
  EXPECT_THAT(outcome->out, HasSubstr("status 1"));
  EXPECT_THAT(outcome->out, Not(AnyOf(HasSubstr("p.json\n"), HasSubstr("p.json.partial"))));
  EXPECT_THAT(outcome->log, HasSubstr(": cannot write: No space left on device"));
  expect_all_in_profile(journal_keys(folder().read("p.json.journal")), folder().read("p.json"));
}

TEST_F(Fault, AReadOnlyFileSystemIsSaidBeforeAnythingIsMeasured) {
  const auto outcome =
      run_with_disk("size=1m", "mount -o remount,ro forerun_test .\n" + alone + "\n");
  if (!outcome) {
    GTEST_SKIP() << "a file system of one's own needs root (unshare, mount)";
  }
  EXPECT_EQ(outcome->status, 1);
  EXPECT_THAT(outcome->log,
              HasSubstr("forerun: p.json.journal: cannot open for writing: Read-only file system"));
  EXPECT_EQ(outcome->out, "");
}

TEST_F(Fault, ASecondRunOfOneProfileIsToldOfTheFirst) {
  const Outcome outcome = run(alone +
                              "--time-budget 10min >first.txt 2>&1 &\n"
                              "job=$!\n"
                              "until_true has_lines 4\n" +
                              alone +
                              "\n"
                              "echo status $?\n"
                              "kill -INT $job\n"
                              "wait $job\n");
  EXPECT_THAT(outcome.out, HasSubstr("status 1"));
  EXPECT_THAT(outcome.log, HasSubstr("p.json.journal: another run of forerun is writing it"));
  EXPECT_GT(profile_keys(folder().read("p.json")).size(), 2U);
}

// A batch system's warning may come while the ranks still look for one another.
TEST_F(Fault, AWarningBeforeTheFirstKernelIsHeard) {
  const Outcome outcome =
      run("is_ready() {\n"
          "  grep -qx forerun /proc/$job/comm &&\n"
          "    grep -q '^SigBlk:.*[1-9a-f]' /proc/$job/status\n"
          "}\n" +
          alone +
          "--time-budget 10min >first.txt 2>first.log &\n"
          "job=$!\n"
          "until_true is_ready\n"
          "kill -USR1 $job\n"
          "wait $job\n"
          "echo status $?\n");
  EXPECT_THAT(outcome.out, HasSubstr("status 1"));
  EXPECT_THAT(folder().read("first.log"), HasSubstr("interrupted: p.json holds"));
  EXPECT_FALSE(json::parse(folder().read("p.json"))["skipped"].empty());
}

// An hour back in the middle of the run, as a clock that is set does it: the monotonic one goes on.
TEST_F(Fault, AClockThatStepsBackChangesNoTime) {
  if (is_sanitized) {
    GTEST_SKIP() << "the address sanitizer lets no library come before it";
  }
  const char* const library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
  if (!fs::exists(library)) {
    GTEST_SKIP() << "there is no " << library << " (package libfaketime)";
  }
  const Outcome outcome = run(std::string("echo +0 >offset\n") +
                              "export FAKETIME_TIMESTAMP_FILE=offset FAKETIME_NO_CACHE=1 "
                              "FAKETIME_DONT_FAKE_MONOTONIC=1\n"
                              "LD_PRELOAD=" +
                              library + " " + alone +
                              "--time-budget 4s --format json &\n"
                              "job=$!\n"
                              "until_true has_lines 4\n"
                              "echo -3600 >offset\n"
                              "wait $job\n");
  ASSERT_EQ(outcome.status, 0) << outcome.log;
  const json profile = json::parse(outcome.out);
  EXPECT_GT(profile["elapsed_s"].get<double>(), 0.0);
  EXPECT_LT(profile["elapsed_s"].get<double>(), 300.0);
  for (const json& record : profile["kernels"]) {
    EXPECT_GT(record["least_s"].get<double>(), 0.0);
    EXPECT_LT(record["median_s"].get<double>(), 10.0);
  }
}

// Phases add up to the whole, and a program can follow what happens.
TEST_F(Fault, TheLogSaysWhatTheTimeWentTo) {
  const Outcome outcome =
      run(alone + "--time-budget 2s --verbose --log-json log.json --format json\n");
  ASSERT_EQ(outcome.status, 0) << outcome.log;
  EXPECT_THAT(outcome.log, HasSubstr("first round ends in"));
  EXPECT_THAT(outcome.log, HasSubstr("measured in "));
  std::istringstream lines(folder().read("log.json"));
  std::set<std::string> measured;
  json last;
  for (std::string line; std::getline(lines, line);) {
    const json event = json::parse(line);
    EXPECT_GE(event["elapsed_s"].get<double>(), 0.0);
    last = event;
    if (event["event"] == "measured") {
      measured.insert(event["record"]["key"]);
    }
  }
  EXPECT_EQ(last["event"], "end");
  double sum = 0.0;
  for (const auto& [name, seconds] : last["phases_s"].items()) {
    sum += seconds.get<double>();
  }
  EXPECT_NEAR(sum, last["elapsed_s"].get<double>(), 0.02 * sum);
  EXPECT_EQ(measured, profile_keys(outcome.out));
}

TEST_F(Fault, ALogThatCannotBeWrittenIsSaidAndCostsNoProfile) {
  const Outcome outcome = run(alone + "--time-budget 1s --log-json /dev/full\n");
  EXPECT_EQ(outcome.status, 0) << outcome.log;
  EXPECT_THAT(outcome.log, HasSubstr("warning: /dev/full: cannot be written to its end"));
  EXPECT_FALSE(profile_keys(folder().read("p.json")).empty());
}

TEST_F(Fault, ALogOfABatchJobIsSparse) {
  const Outcome outcome = run(alone + "--time-budget 2s\n");
  ASSERT_EQ(outcome.status, 0) << outcome.log;
  EXPECT_LT(std::ranges::count(outcome.log, '\n'), 25) << outcome.log;
}

}  // namespace
}  // namespace forerun
