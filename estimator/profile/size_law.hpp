// Time of one collective over one group as a law of its bytes: latency, root and bandwidth term.
#pragma once

#include <optional>
#include <span>

namespace forerun {

/// One measured size: natural logarithms of bytes and of seconds.
struct SizePoint {
  double log_bytes = 0.0;
  double log_seconds = 0.0;
  friend auto operator<=>(const SizePoint&, const SizePoint&) = default;
};

/// T(N) = alpha + N / B + c sqrt(N): the root is what lies between the protocols of small and of
/// large messages (modelling.md 3.5: mean error 3 to 8 %, against 5 to 13 % without it).
struct SizeLaw {
  double latency_s = 0.0;
  double seconds_per_byte = 0.0;
  double seconds_per_root_byte = 0.0;

  [[nodiscard]] double log_seconds(double log_bytes) const;
};

/// Least squares of the relative error; no term is below zero. Nothing for fewer than three sizes.
[[nodiscard]] std::optional<SizeLaw> fit_size_law(std::span<const SizePoint> points);

}  // namespace forerun
