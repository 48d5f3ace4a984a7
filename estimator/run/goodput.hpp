// What failures and checkpoints leave of the time of a run (modelling.md, section 7). Pure.
#pragma once

#include "units/quantity.hpp"

namespace forerun {

/// What a run meets again and again.
struct Interruptions {
  Seconds between_failures;  ///< mean, of the whole job (M)
  Seconds checkpoint;        ///< how long training stands still for one (delta)
  Seconds restart;           ///< from a failure to the first new step (R)
};

/// Young's first-order time between checkpoints: sqrt(2 delta M) (Young 1974, CACM 17(9)).
[[nodiscard]] Seconds young_interval(const Interruptions& interruptions);

/// Daly's higher order: sqrt(2 delta M) [1 + sqrt(delta / 2M) / 3 + (delta / 2M) / 9] - delta while
/// delta < 2M, else M (Daly 2006, FGCS 22(3)). Time of work between two checkpoints.
[[nodiscard]] Seconds daly_interval(const Interruptions& interruptions);

/// Useful time over wall-clock time when a checkpoint follows each `interval` of work and failures
/// come at random: tau / (M (e^((tau + delta) / M) - 1) e^(R / M)), exact for exponential times
/// between failures. In (0, 1]; without work between checkpoints 0.
[[nodiscard]] double goodput(const Interruptions& interruptions, Seconds interval);

}  // namespace forerun
