// Kernels named by text, run on the host in both number formats and compared with the reference.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>

#include <gtest/gtest.h>

#include "kernels/host/host_device.hpp"
#include "tests/kernels/kernel_check.hpp"

namespace forerun {

/// Parameter: a key's text without its number format, "gemm m=1 n=2 k=3 nt".
class HostKernel : public testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] KernelKey key(const std::string& type) const {
    std::string text = GetParam();
    return key_of(text.insert(text.find(' '), " " + type));
  }

  host::HostDevice device_{DeviceChoice{}};
};

inline std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

}  // namespace forerun
