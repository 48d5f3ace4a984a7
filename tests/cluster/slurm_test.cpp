// The sbatch scripts on a Slurm of our own (on_slurm.sh). One rank is enough for most: kernels
// need no partner.
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "estimator/profile/profile_json.hpp"
#include "tests/golden/program.hpp"

namespace forerun {
namespace {

// Runs a shell script with a Slurm of two nodes around it; false, and the test is over, where none
// can start.
class SlurmCluster : public testing::Test {
 protected:
  void SetUp() override { folder_.write("tiny.json", tiny_llama); }

  // `$jobs` is the folder of the sbatch scripts, `$measure` submits measure.sbatch for a model that
  // keeps it busy until it is stopped.
  bool run(const std::string& script) {
    constexpr int is_skipped = 77;
    folder_.write("script.sh",
                  "set -eu\n"
                  "export OMPI_MCA_mpi_yield_when_idle=1 FORERUN_ROOT=" FORERUN_SOURCE_DIR
                  " FORERUN_BIN=" FORERUN_BIN_DIR
                  "/forerun\n"
                  "jobs=$FORERUN_ROOT/jobs/slurm\n"
                  "options='--model tiny.json --seq 32'\n"
                  "until_true() { for i in $(seq 1200); do \"$@\" && return; sleep 0.1; done; "
                  "echo \"never: $*\"; return 1; }\n"
                  "is_gone() { [ -z \"$(squeue --noheader --jobs=$1 2>/dev/null)\" ] || "
                  "[ \"$(squeue --noheader --jobs=$1 --states=all --format=%T)\" != RUNNING ]; }\n"
                  "has_profile() { ls forerun-test-batch-*.json; }\n"
                  "has_records() { [ \"$(cat *.journal 2>/dev/null | wc -l)\" -gt 8 ]; }\n" +
                      script);
    const std::string command =
        "cd '" + folder_.path().string() +
        "' && OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 " FORERUN_SOURCE_DIR
        "/tests/cluster/on_slurm.sh 2 bash script.sh > out.txt 2> log.txt";
    const int raw = std::system(command.c_str());
    status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : -1;
    return status_ != is_skipped;
  }

  [[nodiscard]] std::string log() const {
    return folder_.read("out.txt") + folder_.read("log.txt") + folder_.read("job.log");
  }

  [[nodiscard]] std::string only_profile() const {
    std::string found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("forerun-test-batch-") && name.ends_with(".json")) {
        EXPECT_EQ(found, "") << name;
        found = name;
      }
    }
    return found;
  }

  [[nodiscard]] Profile profile(const std::string& name) const {
    return read_profile((folder_.path() / name).string());
  }

  // Lines of `file`: "key": "gemm ...", from a journal, or from a profile where a job had time for
  // one. All are in `measured`, and they are some.
  void expect_keys_of(const std::string& file, const Profile& measured) const {
    std::set<std::string> keys;
    for (const KernelRecord& record : measured.kernels) {
      keys.insert(text_of(record.key));
    }
    std::istringstream lines(folder_.read(file));
    std::size_t before = 0;
    for (std::string line; std::getline(lines, line); ++before) {
      const std::size_t first = line.find('"', line.find(':')) + 1;
      EXPECT_TRUE(keys.contains(line.substr(first, line.size() - 1 - first))) << line;
    }
    EXPECT_GT(before, 2U) << log();
  }

  [[nodiscard]] int status() const { return status_; }

  [[nodiscard]] const TestFolder& folder() const { return folder_; }

 private:
  TestFolder folder_;
  int status_ = -1;
};

TEST_F(SlurmCluster, MeasuresThenRehearses) {
  if (!run("sbatch --nodes=1 --wait --output=job.log $jobs/measure.sbatch $options --time-budget "
           "20s\n"
           "sbatch --nodes=1 --wait --output=rehearse.log $jobs/rehearse.sbatch $options "
           "--cluster forerun-test-batch-*.json --steps 2 --precision fp32\n")) {
    GTEST_SKIP() << log();
  }
  ASSERT_EQ(status(), 0) << log() << folder().read("rehearse.log");
  const std::string name = only_profile();
  // Cluster, partition and date.
  EXPECT_THAT(name,
              testing::MatchesRegex("forerun-test-batch-[0-9]+-[0-9][0-9]-[0-9][0-9][.]json"));
  EXPECT_EQ(profile(name).ranks, 1);
  const auto result = nlohmann::json::parse(folder().read("rehearse-2.json"));
  EXPECT_GT(result["runs"].at(0)["measured_s"].get<double>(), 0.0);
}

// No rank of a plan needs a GPU, a profile or a partner.
TEST_F(SlurmCluster, Plans) {
  if (!run("sbatch --wait --output=job.log $jobs/plan.sbatch --cluster dgx-a100 --model gpt2 "
           "--devices 8 --batch 64 --tokens 1B\n")) {
    GTEST_SKIP() << log();
  }
  ASSERT_EQ(status(), 0) << log();
  const auto plan = nlohmann::json::parse(folder().read("plan-1.json"));
  std::int64_t counted = plan["evaluated"].get<std::int64_t>();
  for (const auto& [rule, count] : plan["rejected"].items()) {
    counted += count.get<std::int64_t>();
  }
  EXPECT_EQ(plan["enumerated"].get<std::int64_t>(), counted);
  EXPECT_GT(plan["layouts"].at(0)["step_time_s"].get<double>(), 0.0);
}

// A budget of ten minutes under a limit of two: Slurm's warning ends the job with what it has.
// Slurm may warn up to a minute early, but not before there is something.
TEST_F(SlurmCluster, WritesWhatItHasBeforeTheTimeLimit) {
  if (!run("sbatch --nodes=1 --time=2 --signal=B:USR1@50 --output=job.log --parsable "
           "$jobs/measure.sbatch "
           "--model gpt2 --seq 128 --time-budget 10min >id\n"
           "until_true has_records\n"
           "until_true is_gone $(cat id)\n"
           "until_true has_profile\n")) {
    GTEST_SKIP() << log();
  }
  ASSERT_EQ(status(), 0) << log();
  EXPECT_THAT(folder().read("job.log"), testing::HasSubstr("interrupted")) << log();
  const Profile measured = profile(only_profile());
  EXPECT_GT(measured.kernels.size() + measured.collectives.size(), 5U);
}

// What the cancelled job had measured is in the profile of the next.
TEST_F(SlurmCluster, GoesOnWhereACancelledJobStopped) {
  if (!run("sbatch --nodes=1 --output=job.log --parsable $jobs/measure.sbatch $options "
           "--time-budget 10min "
           ">id\n"
           "until_true has_records\n"
           "scancel --signal=KILL --full $(cat id)\n"
           "until_true is_gone $(cat id)\n"
           "grep -oh '\"key\": *\"[^\"]*\"' forerun-test-batch-*.json* >before.txt\n"
           "sbatch --nodes=1 --wait --output=again.log $jobs/measure.sbatch $options --time-budget "
           "5s\n")) {
    GTEST_SKIP() << log();
  }
  ASSERT_EQ(status(), 0) << log() << folder().read("again.log");
  expect_keys_of("before.txt", profile(only_profile()));
}

// Slurm takes a running job back into the queue: its second start finds the name and the journal of
// its first, on whatever day it starts. What the first had is read before the requeue: as it is
// told to end, it turns its journal into a profile.
TEST_F(SlurmCluster, GoesOnAfterARequeue) {
  if (!run("is_over() { [ \"$(state_of $1)\" = COMPLETED ]; }\n"
           "state_of() { squeue --noheader --jobs=$1 --states=all --format=%T; }\n"
           "has_restarted() { scontrol show job $1 | grep -q Restarts=1; }\n"
           "sbatch --nodes=1 --output=job.log --parsable $jobs/measure.sbatch $options "
           "--time-budget 20s >id\n"
           "until_true has_records\n"
           "grep -oh '\"key\": *\"[^\"]*\"' forerun-test-batch-*.json* >before.txt\n"
           "ls forerun-test-batch-*.json* >names.txt\n"
           "scontrol requeue $(cat id)\n"
           "until_true has_restarted $(cat id)\n"
           "until_true is_over $(cat id)\n")) {
    GTEST_SKIP() << log();
  }
  ASSERT_EQ(status(), 0) << log();
  EXPECT_TRUE(folder().read("names.txt").starts_with(only_profile())) << folder().read("names.txt");
  expect_keys_of("before.txt", profile(only_profile()));
}

// The daemon of a node and all that it runs die. The job ends, and loses nothing.
TEST_F(SlurmCluster, KeepsTheJournalWhenANodeFails) {
  if (!run("sbatch --no-requeue --output=job.log --parsable $jobs/measure.sbatch $options "
           "--time-budget 10min >id\n"
           "until_true has_records\n"
           "kill -KILL $(cat $(dirname $SLURM_CONF)/node2.pid)\n"
           "for process in $(grep -lsz '^SLURMD_NODENAME=node2$' /proc/[0-9]*/environ); do\n"
           "  grep -qsz \"^SLURM_CONF=$SLURM_CONF$\" $process || continue\n"
           "  kill -KILL $(echo $process | cut -d/ -f3) || true\n"
           "done\n"
           "until_true is_gone $(cat id)\n"
           "test -s forerun-test-batch-*.journal\n")) {
    GTEST_SKIP() << log();
  }
  EXPECT_EQ(status(), 0) << log();
}

TEST_F(SlurmCluster, JoinsTheProfilesOfASweep) {
  if (!run("printf '%s\\n' '--model tiny.json --seq 32 --time-budget 4s' "
           "'--model tiny.json --seq 64 --time-budget 4s' >sweep.txt\n"
           "FORERUN_SWEEP=$PWD/sweep.txt sbatch --nodes=1 --wait --array=1-2 --output=job.log "
           "$jobs/sweep.sbatch\n")) {
    GTEST_SKIP() << log();
  }
  ASSERT_EQ(status(), 0) << log();
  std::string joined;
  for (const auto& entry : std::filesystem::directory_iterator(folder().path())) {
    const std::string name = entry.path().filename().string();
    joined = name.ends_with("-1.json") && !name.ends_with("-1-1.json") ? name : joined;
  }
  ASSERT_NE(joined, "") << log();
  const std::string stem = joined.substr(0, joined.size() - 5);
  EXPECT_GT(profile(joined).kernels.size(), profile(stem + "-1.json").kernels.size());
  EXPECT_GT(profile(joined).kernels.size(), profile(stem + "-2.json").kernels.size());
}

// The last task of a sweep to end may be one that was warned of its limit: its exit code says so,
// and what it had is joined.
TEST_F(SlurmCluster, JoinsWhatAWarnedTaskOfASweepHad) {
  if (!run("printf '%s\\n' '--model tiny.json --seq 32 --time-budget 4s' "
           "'--model tiny.json --seq 64 --time-budget 10min' >sweep.txt\n"
           "is_first_done() { ls forerun-test-batch-*-1.json; }\n"
           "has_second_begun() { [ \"$(cat *-2.json.journal 2>/dev/null | wc -l)\" -gt 8 ]; }\n"
           "state_of_second() { squeue --noheader --jobs=$1_2 --states=all --format=%T; }\n"
           "is_second_over() { [ \"$(state_of_second $1)\" = FAILED ]; }\n"
           "FORERUN_SWEEP=$PWD/sweep.txt sbatch --nodes=1 --array=1-2 --output=job.log --parsable "
           "$jobs/sweep.sbatch >id\n"
           "until_true is_first_done\n"
           "until_true has_second_begun\n"
           "scancel --signal=USR1 --batch $(cat id)_2\n"
           "until_true is_second_over $(cat id)\n"
           "mv forerun-test-batch-$(cat id).json joined.json\n"
           "mv forerun-test-batch-*-2.json second.json\n")) {
    GTEST_SKIP() << log();
  }
  ASSERT_EQ(status(), 0) << log();
  EXPECT_GT(profile("second.json").kernels.size(), 0U);
  EXPECT_GT(profile("joined.json").kernels.size(), profile("second.json").kernels.size());
}

}  // namespace
}  // namespace forerun
