// `forerun forecast` with --backtest, --edge or --fit-scaling-law.
#include <array>
#include <ostream>
#include <string>

#include <fmt/ostream.h>
#include <nlohmann/json.hpp>

#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/forecast/what_if_documents.hpp"
#include "estimator/profile/build_info.hpp"
#include "estimator/validate/csv_table.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

using Names = std::array<const char*, 2>;

// The column under either of its names: ours, or those of Epoch AI's table of Chinchilla's points.
const char* column_of(const CsvTable& table, const Names& names) {
  for (const char* name : names) {
    if (table.has(name)) {
      return name;
    }
  }
  return nullptr;
}

double positive(const CsvTable& table, std::size_t row, const char* column) {
  const double value = table.needed_number(row, column);
  if (value <= 0.0) {
    throw InputError(table.place(row), std::string(column) + " is not above 0");
  }
  return value;
}

std::vector<TrainedModel> read_runs(const std::string& path) {
  const CsvTable table = CsvTable::read(path);
  const char* const parameters = column_of(table, {"parameters", "Model Size"});
  const char* const tokens = column_of(table, {"tokens", "training_tokens"});
  const char* const flop = column_of(table, {"training_flop", "Training FLOP"});
  if (parameters == nullptr || (tokens == nullptr && flop == nullptr) || !table.has("loss")) {
    throw InputError(path,
                     "lacks a column (expected parameters, loss, and tokens or training_flop)");
  }
  std::vector<TrainedModel> runs;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    TrainedModel run;
    run.parameters = positive(table, i, parameters);
    constexpr double flop_per_parameter_token = 6.0;
    run.tokens = tokens != nullptr
                     ? positive(table, i, tokens)
                     : positive(table, i, flop) / (flop_per_parameter_token * run.parameters);
    run.loss = positive(table, i, "loss");
    runs.push_back(run);
  }
  return runs;
}

void write(const nlohmann::ordered_json& body,
           const TablePrinter& print,
           const Options& options,
           const OutputStreams& streams) {
  nlohmann::ordered_json document = document_head();
  document.update(body);
  write_result(document, print, options, streams.out);
}

}  // namespace

ExitCode run_forecast_question(const Options& options, const OutputStreams& streams) {
  const int questions =
      (options.backtest ? 1 : 0) + (options.edge ? 1 : 0) + (options.fitted_table ? 1 : 0);
  if (questions > 1) {
    throw InputError("forecast",
                     "--backtest, --edge and --fit-scaling-law are different questions (expected "
                     "one of them)");
  }
  if (options.edge) {
    if (!options.year) {
      throw InputError("--year", "is missing: of which year is the device of --edge?");
    }
    write(edge_document(edge_from(*options.edge, *options.year)), print_edge, options, streams);
  } else if (options.backtest) {
    // The article's scenario has no growth to test.
    const std::string scenario =
        options.scenario == Options().scenario ? "epoch-trend" : options.scenario;
    const nlohmann::ordered_json document = backtest_document(*options.backtest, scenario);
    if (scenario != options.scenario) {
      fmt::print(streams.log,
                 "forerun: {} has no growth to test: {} takes its place\n",
                 options.scenario,
                 scenario);
    }
    write(document, print_backtest, options, streams);
  } else {
    FitQuestion question;
    question.table = *options.fitted_table;
    question.runs = read_runs(*options.fitted_table);
    question.left_out = options.left_out;
    question.seed = options.seed;
    write(fit_document(question), print_fit, options, streams);
  }
  return ExitCode::answered;
}

}  // namespace forerun
