// How a job is split over devices: the degrees, their product, and the text form of both.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace forerun {

/// Degrees of parallelism. world = tp * cp * pp * dp; experts refold the same ranks (etp, ep).
struct ParallelLayout {
  std::int64_t tensor = 1;            ///< tp
  std::int64_t pipeline = 1;          ///< pp
  std::int64_t virtual_pipeline = 1;  ///< vp: model chunks per pipeline stage
  std::int64_t context = 1;           ///< cp
  std::int64_t expert = 1;            ///< ep
  std::int64_t expert_tensor = 1;     ///< etp
  std::int64_t data = 1;              ///< dp

  // clang-tidy 14 takes the zero inside a defaulted comparison for a null pointer.
  friend auto operator<=>(const ParallelLayout&, const ParallelLayout&) = default;
};

[[nodiscard]] std::int64_t world_size(const ParallelLayout& layout);

/// "tp=8,pp=16,vp=8,dp=128": degrees of 1 are left out, except that one device reads "dp=1".
[[nodiscard]] std::string text_of(const ParallelLayout& layout);

/// Exactly one layout, "tp=8,pp=16,vp=8,dp=128". A degree that is left out is 1, except dp, which
/// fills up to `devices`. Throws InputError("--layout", ...) for an unknown degree (naming the
/// nearest), a value that is not a whole number >= 1, a set, or a product that is not `devices`.
[[nodiscard]] ParallelLayout parse_layout(std::string_view spec, std::int64_t devices);

/// A set: alternatives `tp=1|2|4`, ranges `pp=1..8` (every value in it that divides out), several
/// specs joined by `;`. Returns the distinct layouts whose product is `devices`, in the order
/// written; throws InputError as above, also when no member of a spec fits the devices.
[[nodiscard]] std::vector<ParallelLayout> parse_layouts(std::string_view specs,
                                                        std::int64_t devices);

}  // namespace forerun
