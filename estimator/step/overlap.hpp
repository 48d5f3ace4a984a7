// Computation and communication at the same time: how much each slows the other, as measured.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "comm/collective_key.hpp"
#include "kernels/kernel_key.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// What limits the computation beside which a collective runs.
enum class OverlapCompute { gemm, attention, memory };

[[nodiscard]] std::string_view name_of(OverlapCompute compute);
[[nodiscard]] std::optional<OverlapCompute> overlap_compute_from(std::string_view name);
[[nodiscard]] OverlapCompute overlap_compute_of(KernelOp op);

/// One measured pair. Both start together; the computation ends after `compute_beside`, everything
/// after `both`.
struct OverlapPoint {
  OverlapCompute compute = OverlapCompute::gemm;
  Collective op = Collective::all_reduce;
  std::int64_t bytes = 0;  ///< as CollectiveKey counts them
  Seconds compute_alone;
  Seconds collective_alone;
  Seconds compute_beside;
  Seconds both;
  bool is_emulated = false;  ///< a copy kernel stood for the collective
};

/// The speed of each side beside the other, as a share of its speed alone: 1 is undisturbed, 0
/// stands still (plain MPI that only gets on inside MPI calls).
struct SharedSpeed {
  double compute = 1.0;
  double collective = 1.0;
};

/// From a measured pair, when both go at one speed until one ends and the other then goes alone.
[[nodiscard]] SharedSpeed shared_speed(const OverlapPoint& point);

/// Speeds of a computation and of a collective of so many bytes (as CollectiveKey counts them) that
/// run at once; nothing where the pair is not known, and then the formula of `beside` stands in.
using OverlapPrices =
    std::function<std::optional<SharedSpeed>(OverlapCompute, Collective, std::int64_t bytes)>;

/// Seconds of computation by what limits them.
struct ComputeMix {
  std::array<Seconds, 3> seconds{};  ///< indexed by OverlapCompute

  Seconds& of(OverlapCompute compute) { return seconds[static_cast<std::size_t>(compute)]; }

  ComputeMix& operator+=(const ComputeMix& other);
  friend ComputeMix operator*(double count, ComputeMix mix);
};

[[nodiscard]] Seconds total_of(const ComputeMix& mix);

/// Speeds of a mix that runs through while the collective lasts: of its kinds' speeds, the
/// computation's weighed by the time alone, the collective's by the time beside it. Kinds that
/// are not known count as the rest does; nothing where none is known.
[[nodiscard]] std::optional<SharedSpeed> shared_speed(const ComputeMix& mix,
                                                      const OverlapPrices& prices,
                                                      Collective op,
                                                      std::int64_t bytes);

/// By how much a kernel takes longer while a collective runs on the same GPU, relative to its time:
/// 18.9 %, the mean over A100, H100, MI210 and MI250 of arXiv 2507.03114, where nothing was
/// measured.
inline constexpr double gpu_contention = 0.189;

/// A collective beside independent computation: what of it stays exposed, and by how much it slows
/// the computation. Both take `compute + exposed + contention` together.
struct Beside {
  Seconds exposed;
  Seconds contention;
};

/// At the measured speeds, and never worse for the length of the collective than where both were
/// equally long; without speeds the collective keeps its own and slows the computation by
/// `gpu_contention`.
[[nodiscard]] Beside beside(Seconds collective,
                            Seconds compute,
                            const std::optional<SharedSpeed>& speed);

/// How long both take together, from what each takes alone. Between max(a, b) and, where neither
/// stands in the other's way more than by taking turns, a + b.
[[nodiscard]] Seconds time_together(Seconds compute, Seconds collective, const SharedSpeed& speed);

/// Of a second of a collective beside a computation that outlasts it, what the two together save:
/// 1 at full overlap and where nothing was measured, 0 where they take turns.
[[nodiscard]] double gained_share(const std::optional<SharedSpeed>& speed);

/// What was measured, at every size between.
class OverlapGrid {
 public:
  OverlapGrid() = default;

  explicit OverlapGrid(std::vector<OverlapPoint> points) : points_(std::move(points)) {}

  /// Slowdowns are 1 / speed. Between measured sizes linear in log(bytes), beyond them that of the
  /// nearest; nothing where the pair was not measured.
  [[nodiscard]] std::optional<SharedSpeed> speed(OverlapCompute compute,
                                                 Collective op,
                                                 std::int64_t bytes) const;

  [[nodiscard]] bool is_empty() const { return points_.empty(); }

 private:
  std::vector<OverlapPoint> points_;
};

}  // namespace forerun
