// A German locale, whose decimal sign is a comma, changes nothing that is read or written.
#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/golden/program.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;

class GermanLocale : public testing::Test {
 protected:
  void SetUp() override {
    const std::string place = "'" + folder_.path().string() + "'";
    const std::string make =
        "localedef -i de_DE -f UTF-8 " + place + "/de_DE.UTF-8 2>" + place + "/localedef.log >&2";
    if (std::system(make.c_str()) != 0 && !fs::exists(folder_.path() / "de_DE.UTF-8")) {
      GTEST_SKIP() << "no German locale can be made (package locales): "
                   << folder_.read("localedef.log");
    }
    const std::string look = "LOCPATH=" + place +
                             " LC_ALL=de_DE.UTF-8 bash -c 'printf %.1f 1,5' >" + place +
                             "/bash.txt 2>&1";
    ASSERT_EQ(std::system(look.c_str()), 0);
    ASSERT_EQ(folder_.read("bash.txt"), "1,5") << "the locale is not in force";
  }

  void expect_same(const std::string& call) const {
    ASSERT_EQ(::setenv("LC_ALL", "C", 1), 0);
    const Outcome plain = run_program(call, folder_.path());
    ASSERT_EQ(::setenv("LOCPATH", folder_.path().c_str(), 1), 0);
    ASSERT_EQ(::setenv("LC_ALL", "de_DE.UTF-8", 1), 0);
    const Outcome german = run_program(call, folder_.path());
    ::unsetenv("LC_ALL");
    ::unsetenv("LOCPATH");
    ASSERT_EQ(plain.status, 0) << plain.log;
    EXPECT_EQ(german.status, 0) << german.log;
    EXPECT_EQ(german.out, plain.out);
  }

  [[nodiscard]] const TestFolder& folder() const { return folder_; }

 private:
  TestFolder folder_;
};

TEST_F(GermanLocale, ChangesNoEstimate) {
  folder().write("cluster.toml",
                 "name = \"half\"\ndevices_per_node = 8\nmax_devices = 8\nsource = \"made "
                 "up\"\n[device]\nname = \"x\"\nmemory = \"80 GiB\"\n"
                 "memory_bandwidth = \"1.5 TB/s\"\nsource = \"made up\"\n[device.peak]\n"
                 "bf16 = \"312.5 TFLOP/s\"\nfp32 = \"19.5 TFLOP/s\"\n[device.efficiency]\n"
                 "gemm = 0.73\nattention_forward = 0.559\nattention_backward = 0.502\n"
                 "memory = 0.85\nlaunch = \"8.5 us\"\nsource = \"made up\"\n[[level]]\n"
                 "name = \"node\"\ndevices = 8\nlatency = \"2.5 us\"\n"
                 "bandwidth = \"262.5 GB/s\"\nefficiency = 0.783\nsource = \"made up\"\n");
  expect_same(
      "estimate --model gpt2 --cluster cluster.toml --devices 8 --batch 64 --tokens 1.5B "
      "--slowest-device 1.05 --format json");
}

TEST_F(GermanLocale, ChangesNoForecast) {
  expect_same("forecast --year 2030 --samples 2000 --seed 7 --format json");
}

// Real times differ from run to run; what is written can be read again.
TEST_F(GermanLocale, ChangesNoProfile) {
  folder().write("tiny.json", tiny_llama);
  ASSERT_EQ(::setenv("LOCPATH", folder().path().c_str(), 1), 0);
  ASSERT_EQ(::setenv("LC_ALL", "de_DE.UTF-8", 1), 0);
  const Outcome measured = run_program(
      "measure --model tiny.json --seq 32 --kernels-only --precision fp32 --time-budget 1.5s "
      "--out p.json",
      folder().path());
  ::unsetenv("LC_ALL");
  ::unsetenv("LOCPATH");
  ASSERT_EQ(measured.status, 0) << measured.log;
  expect_same("show topology p.json");
  expect_same("estimate --model tiny.json --cluster p.json --devices 1 --format json");
}

}  // namespace
}  // namespace forerun
