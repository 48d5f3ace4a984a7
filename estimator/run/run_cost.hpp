// From one step to a whole run: steps, days, device-hours, energy, money, goodput. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "estimator/run/goodput.hpp"
#include "topologies/cluster.hpp"
#include "units/calendar_day.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// A value with its 90 % band.
template <class T>
struct Banded {
  T low{};
  T expected{};
  T high{};

  friend Banded operator*(double factor, const Banded& value) {
    return {factor * value.low, factor * value.expected, factor * value.high};
  }
};

/// What the cluster file does not say, or says otherwise.
struct RunSettings {
  std::optional<Seconds> between_failures;        ///< of the whole job, over the cluster's rate
  std::optional<Seconds> restart;                 ///< over the cluster's
  std::optional<BytesPerSecond> checkpoint_rate;  ///< over the cluster's storage
  /// How long training stands still for a checkpoint that is written in the background; absent: as
  /// long as the writing takes.
  std::optional<Seconds> checkpoint_stall;
  std::int64_t spare_nodes = 0;  ///< held and paid beside those that train
  /// Evaluation, warm-up, planned stops: share of the wall-clock time that trains nothing.
  double pauses = 0.0;
  std::optional<double> steps;       ///< of the run, where its tokens are not said
  std::optional<CalendarDay> start;  ///< midnight at which it begins
};

/// What is run.
struct RunRequest {
  double tokens = 0.0;
  double tokens_per_step = 0.0;
  Banded<Seconds> step_time;
  std::int64_t devices = 0;
  Bytes checkpoint;  ///< model and optimizer state, all ranks together
};

/// How often the run fails, and what is done against it.
struct Failures {
  Interruptions interruptions;
  Bytes checkpoint;
  Seconds checkpoint_write;  ///< until it is stored
  Seconds interval;          ///< of work between two checkpoints (Daly)
  double expected = 0.0;     ///< during the whole run
};

/// What is paid for, in dollars.
struct CostParts {
  Dollars rent;      ///< price per device-hour * device time
  Dollars hardware;  ///< price of the devices * device time / their life
  Dollars energy;    ///< at the wall, of owned devices
  Dollars staff;     ///< the share of all that the cluster states, of owned devices
};

[[nodiscard]] Dollars total_of(const CostParts& parts);

/// What `device_time` costs, in which devices train for `training_device_time` (spares draw no
/// power). Absent where the cluster has no price, or owned devices whose power is not known.
[[nodiscard]] std::optional<CostParts> cost_of(const Cluster& cluster,
                                               Seconds device_time,
                                               Seconds training_device_time);

/// The day on which a run that begins at midnight of `start` ends; absent beyond the year 9999.
[[nodiscard]] std::optional<CalendarDay> end_of(CalendarDay start, Seconds time);

/// What the cluster file leaves out stays absent.
struct RunCost {
  double steps = 0.0;
  Banded<Seconds> time;         ///< wall clock; without goodput that of the steps alone
  Banded<Seconds> device_time;  ///< devices (spares too) times wall clock
  std::optional<Failures> failures;
  std::optional<Banded<double>> goodput;  ///< share of wall clock that is useful
  /// Device power at its utilisation * server share * PUE * device time, spares not drawing.
  std::optional<Banded<Joules>> energy;
  std::optional<Watts> power;           ///< at the wall while training
  std::optional<Banded<Dollars>> cost;  ///< rent, or what owning costs: see CostParts
  std::optional<CostParts> cost_parts;  ///< of the expected cost
  std::optional<CalendarDay> start;
  std::optional<Banded<double>> co2_kg;  ///< energy * carbon intensity
  std::vector<std::string> notes;        ///< what is absent, and what would give it
};

/// Bytes of a checkpoint: 16-bit training writes weights, fp32 master weights and both moments, 14
/// B a parameter; fp32 training 12 B (modelling.md, section 7).
[[nodiscard]] Bytes checkpoint_size(double parameters, bool is_16_bit);

[[nodiscard]] RunCost run_cost(const RunRequest& request,
                               const Cluster& cluster,
                               const RunSettings& settings);

}  // namespace forerun
