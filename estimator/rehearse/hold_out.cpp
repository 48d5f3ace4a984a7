#include "estimator/rehearse/hold_out.hpp"

#include <map>
#include <string>

#include "estimator/profile/kernel_family.hpp"
#include "units/splitmix.hpp"

namespace forerun {
namespace {

// Uniform in [0, 1) by seed and key alone: every rank draws alike.
double draw(std::uint64_t seed, const std::string& key) {
  std::uint64_t hash = splitmix64(seed);
  for (const char c : key) {
    hash = splitmix64(hash ^ static_cast<unsigned char>(c));
  }
  return static_cast<double>(hash >> 11U) * 0x1p-53;
}

}  // namespace

void hold_out(double share, std::uint64_t seed, Profile& profile) {
  std::map<KernelFamily, int> left;
  for (const KernelRecord& record : profile.kernels) {
    ++left[family_of(record.key)];
  }
  std::erase_if(profile.kernels, [&](const KernelRecord& record) {
    int& of_family = left[family_of(record.key)];
    const bool goes = of_family > 1 && draw(seed, text_of(record.key)) < share;
    of_family -= goes ? 1 : 0;
    return goes;
  });
}

}  // namespace forerun
