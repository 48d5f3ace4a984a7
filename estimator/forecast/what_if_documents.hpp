// Documents of `forecast` beside its Monte Carlo: edge devices, back-test, fitted law.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include <nlohmann/json.hpp>

#include "estimator/forecast/backtest.hpp"
#include "estimator/forecast/fit_scaling_law.hpp"
#include "estimator/forecast/progress.hpp"

namespace forerun {

struct EdgeQuestion {
  EdgeDevice device;
  double bytes_per_parameter = 0.5;  ///< 4-bit weights
  double tokens_per_s = 8.444;       ///< a person: 380 words/min x 4/3 / 60
  double year = 0.0;
};

/// "mem=16GB,bw=100GB/s", optionally bytes= (of a weight), speed= (tokens/s), year= (in which the
/// device is sold; else the forecast's). Throws InputError("--edge", ...).
[[nodiscard]] EdgeQuestion edge_from(const std::string& text, double year);

[[nodiscard]] nlohmann::ordered_json edge_document(const EdgeQuestion& question);

/// "2020..2025" with the growth of the scenario. Throws InputError("--backtest", ...).
[[nodiscard]] nlohmann::ordered_json backtest_document(const std::string& years,
                                                       const std::string& scenario);

struct FitQuestion {
  std::string table;
  std::vector<TrainedModel> runs;
  std::int64_t left_out = 0;  ///< runs with fewest tokens a parameter
  std::int64_t resamples = 1000;
  std::uint64_t seed = 1;
};

[[nodiscard]] nlohmann::ordered_json fit_document(const FitQuestion& question);

void print_edge(const nlohmann::ordered_json& document, std::ostream& out);
void print_backtest(const nlohmann::ordered_json& document, std::ostream& out);
void print_fit(const nlohmann::ordered_json& document, std::ostream& out);

}  // namespace forerun
