// From checked options to a result on standard output and an exit code: one function a verb.
#pragma once

#include <iosfwd>

#include "estimator/cli/exit_code.hpp"
#include "estimator/cli/options.hpp"

namespace forerun {

/// Where a verb writes: the result once to `out`, progress and warnings to `log`.
struct OutputStreams {
  std::ostream& out;
  std::ostream& log;
};

[[nodiscard]] ExitCode run_measure(const Options& options, const OutputStreams& streams);
/// `measure --decode`.
[[nodiscard]] ExitCode run_decode(const Options& options, const OutputStreams& streams);
[[nodiscard]] ExitCode run_rehearse(const Options& options, const OutputStreams& streams);
[[nodiscard]] ExitCode run_estimate(const Options& options, const OutputStreams& streams);
[[nodiscard]] ExitCode run_plan(const Options& options, const OutputStreams& streams);
[[nodiscard]] ExitCode run_capacity(const Options& options, const OutputStreams& streams);
[[nodiscard]] ExitCode run_forecast(const Options& options, const OutputStreams& streams);
/// `forecast` asked about data rather than a scenario: --backtest, --edge, --fit-scaling-law.
[[nodiscard]] ExitCode run_forecast_question(const Options& options, const OutputStreams& streams);
[[nodiscard]] ExitCode run_validate(const Options& options, const OutputStreams& streams);
[[nodiscard]] ExitCode run_report(const Options& options, const OutputStreams& streams);
[[nodiscard]] ExitCode run_show(const Options& options, const OutputStreams& streams);
[[nodiscard]] ExitCode run_import(const Options& options, const OutputStreams& streams);

/// The verb that the options name.
[[nodiscard]] ExitCode run_verb(const Options& options, const OutputStreams& streams);

}  // namespace forerun
