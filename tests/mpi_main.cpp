// main of every test on several ranks: failures are printed with their rank, the verdict is shared.
#include <cstdio>
#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <mpi.h>

namespace {

// Rank 0 keeps GoogleTest's own printer; the others are silent but for what fails on them.
class FailurePrinter : public testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(int rank) : rank_(rank) {}

  void OnTestStart(const testing::TestInfo& test) override {
    test_ = std::string(test.test_suite_name()) + "." + test.name();
  }

  // GoogleTest holds its lock here: asking it which test runs would wait for ever.
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.failed()) {
      const char* const file = result.file_name();
      std::fprintf(stderr,
                   "rank %d: %s: %s:%d: %s\n",
                   rank_,
                   test_.c_str(),
                   file == nullptr ? "" : file,
                   result.line_number(),
                   result.summary());
    }
  }

 private:
  std::string test_;
  int rank_;
};

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  testing::InitGoogleTest(&argc, argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank != 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(std::make_unique<FailurePrinter>(rank).release());
  }
  const int own_verdict = RUN_ALL_TESTS();
  int verdict = 0;
  MPI_Allreduce(&own_verdict, &verdict, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return verdict;
}
