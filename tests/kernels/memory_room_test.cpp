// What may still be allocated, by files that a test writes in place of the kernel's.
#include "kernels/host/memory_room.hpp"

#include <cstdlib>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <malloc.h>

#include "tests/sanitizer_allocator.hpp"
#include "units/unit.hpp"

namespace forerun::host {
namespace {

namespace fs = std::filesystem;

class MemoryRoom : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::temp_directory_path() / (std::string("forerun_room_") + test->name());
    fs::remove_all(root_);
    write("proc/meminfo", "MemTotal:  9000 kB\nMemFree:  10 kB\nMemAvailable:  8000 kB\n");
  }

  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }

  [[nodiscard]] double kibibytes() const { return memory_room(root_).in(unit::kibibyte); }

  fs::path root_;
};

TEST_F(MemoryRoom, IsWhatTheNodeHasAvailable) {
  EXPECT_EQ(kibibytes(), 8000.0);
}

// Of the groups from the process's own up to the root, that which has least left binds: the job's
// step has no limit, the job has 1,000 KiB less 600 in use, of which 100 are clean cache.
TEST_F(MemoryRoom, IsLessInAControlGroup) {
  write("proc/self/cgroup", "0::/slurm/job_7/step_0\n");
  write("sys/fs/cgroup/slurm/job_7/step_0/memory.max", "max\n");
  write("sys/fs/cgroup/slurm/job_7/step_0/memory.current", "4096\n");
  write("sys/fs/cgroup/slurm/job_7/memory.max", "1024000\n");
  write("sys/fs/cgroup/slurm/job_7/memory.current", "614400\n");
  write("sys/fs/cgroup/slurm/job_7/memory.stat", "anon 1\ninactive_file 102400\n");
  EXPECT_EQ(kibibytes(), 500.0);
}

// In a container the mount is the group, whatever path the host has for it.
TEST_F(MemoryRoom, IsThatOfTheMountInAContainer) {
  write("proc/self/cgroup", "0::/somewhere/else\n");
  write("sys/fs/cgroup/memory.max", "1024000\n");
  write("sys/fs/cgroup/memory.current", "1034000\n");  // over its limit: nothing is left
  EXPECT_EQ(kibibytes(), 0.0);
}

TEST_F(MemoryRoom, ReadsVersionOneToo) {
  write("proc/self/cgroup", "7:cpu,memory:/job\n3:memory_other:/x\n0::/\n");
  write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2048000\n");
  write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1024000\n");
  EXPECT_EQ(kibibytes(), 1000.0);
}

TEST_F(MemoryRoom, IsInfiniteWhereNothingIsKnown) {
  EXPECT_EQ(memory_room(root_ / "nowhere"), Bytes::infinite());
}

TEST(MemoryRoomHere, IsSomethingAndNotMoreThanThereIs) {
  const Bytes room = memory_room();
  EXPECT_GT(room, 1.0 * unit::mebibyte);
  EXPECT_LT(room, 1e15 * unit::byte);
}

// What a process has freed and still keeps is not free to the system: pages in use, of this
// process.
TEST(MemoryRoomHere, GetsBackWhatIsKept) {
  if (has_sanitizer_allocator()) {
    GTEST_SKIP() << "another allocator";
  }
  const auto pages = [] {
    std::ifstream file("/proc/self/statm");
    long size = 0;
    long resident = 0;
    file >> size >> resident;
    return resident;
  };
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
  constexpr std::size_t bytes = std::size_t{64} << 20;
  constexpr long half = bytes / 4096 / 2;
  const long before = pages();
  auto* const memory = static_cast<char*>(std::malloc(bytes));
  for (std::size_t i = 0; i < bytes; i += 4096) {
    static_cast<volatile char*>(memory)[i] = 1;
  }
  const long used = pages();
  std::free(memory);
  EXPECT_GT(used, before + half);
  EXPECT_GT(pages(), before + half);
  release_kept_memory(2.0 * static_cast<double>(bytes) * unit::byte);
  EXPECT_GT(pages(), before + half);
  release_kept_memory(0.5 * static_cast<double>(bytes) * unit::byte);
  EXPECT_LT(pages(), before + half);
  mallopt(M_TRIM_THRESHOLD, 128 * 1024);
  mallopt(M_MMAP_MAX, 65536);
}

}  // namespace
}  // namespace forerun::host
