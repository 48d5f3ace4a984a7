// The verb that compares predictions with what others published.
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <vector>

#include <nlohmann/json.hpp>

#include "estimator/cli/job_estimate.hpp"
#include "estimator/cli/run_verb.hpp"
#include "estimator/cli/write_result.hpp"
#include "estimator/profile/build_info.hpp"
#include "estimator/profile/journal.hpp"
#include "estimator/validate/calibrate_host.hpp"
#include "estimator/validate/log_comparison.hpp"
#include "estimator/validate/print_inference.hpp"
#include "estimator/validate/regret.hpp"
#include "estimator/validate/validate_catalog.hpp"
#include "estimator/validate/validate_collectives.hpp"
#include "estimator/validate/validate_kernels.hpp"
#include "estimator/validate/validate_training.hpp"
#include "units/input_error.hpp"

namespace forerun {

namespace {

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

void write_host_file(const std::vector<TrainingRow>& rows, const Options& options) {
  std::ostringstream text;
  write_host_costs(calibrate_host(rows), file_name(*options.training_table), text);
  write_atomically(*options.host_out, text.str());
}

void write_terms_file(const std::vector<DerivedTerm>& terms,
                      const std::string& table,
                      const Options& options) {
  std::ostringstream text;
  write_terms(terms, table, text);
  write_atomically(*options.terms_out, text.str());
}

void validate_table(const Options& options, const OutputStreams& streams) {
  const auto rows = read_training_table(*options.training_table);
  if (options.host_out) {
    write_host_file(rows, options);
  }
  const auto predictions = validate_training(rows);
  nlohmann::ordered_json document = document_head();
  document["inputs"] = {{"table", *options.training_table}};
  document.update(to_json(predictions));
  document["regret"] = regret_json(regrets_of(rows, predictions));
  if (options.terms_out) {
    write_terms_file(
        terms_of(predictions), "--table " + file_name(*options.training_table), options);
  }
  const Detail detail =
      options.verbosity == Verbosity::verbose ? Detail::baselines_and_reasons : Detail::figures;
  const auto print = [detail](const nlohmann::ordered_json& json, std::ostream& out) {
    print_training(json, detail, out);
  };
  write_result(document, print, options, streams.out);
}

void validate_log(const Options& options, const OutputStreams& streams) {
  const TrainingLog log = read_training_log(*options.training_log);
  const JobEstimate estimate = estimate_from(options);
  nlohmann::ordered_json document = document_head();
  document["inputs"] = job_json(estimate.request.job);
  document["inputs"]["cluster"] = estimate.request.hardware.cluster.name;
  document["inputs"]["log"] = *options.training_log;
  document.update(log_json(*options.training_log, log, estimate));
  write_result(document, print_log, options, streams.out);
}

void validate_inference_table(const Options& options, const OutputStreams& streams) {
  nlohmann::ordered_json document = document_head();
  document["inputs"] = {{"inference", *options.inference_table}};
  const auto validation = validate_inference(read_inference_table(*options.inference_table));
  document.update(to_json(validation));
  if (options.terms_out) {
    write_terms_file(serving_terms_of(validation),
                     "--inference " + file_name(*options.inference_table),
                     options);
  }
  write_result(document, print_inference, options, streams.out);
}

// Single operations: kernels, collectives, or both.
nlohmann::ordered_json operation_document(const Options& options) {
  nlohmann::ordered_json document = document_head();
  document["inputs"] = nlohmann::ordered_json::object();
  nlohmann::ordered_json catalog;
  Validation validation;
  if (options.kernel_tables) {
    document["inputs"]["kernels"] = *options.kernel_tables;
    const std::vector<PublicTiming> timings = read_public_timings(*options.kernel_tables);
    validation = validate_kernels(timings);
    catalog = to_json(validate_catalog(timings));
  }
  if (!options.collective_tables.empty()) {
    document["inputs"]["collectives"] = options.collective_tables;
    Validation collectives =
        validate_collectives(read_public_collectives(options.collective_tables));
    std::ranges::move(collectives.rows, std::back_inserter(validation.rows));
  }
  document.update(to_json(validation));
  if (!catalog.is_null()) {
    document["catalog"] = std::move(catalog);
  }
  return document;
}

int questions_in(const Options& options) {
  const bool asks_operations = options.kernel_tables || !options.collective_tables.empty();
  return (asks_operations ? 1 : 0) + (options.training_table ? 1 : 0) +
         (options.inference_table ? 1 : 0) + (options.training_log ? 1 : 0);
}

// One question, with what it needs.
void check_question(const Options& options) {
  const int questions = questions_in(options);
  if (questions > 1) {
    throw InputError(options.training_table    ? "--table"
                     : options.inference_table ? "--inference"
                                               : "--log",
                     "and --kernels, --collectives or another table are two questions: ask one at "
                     "a time");
  }
  if (options.host_out && !options.training_table) {
    throw InputError("--host-out", "needs --table: it is derived from its runs");
  }
  if (options.terms_out && !options.training_table && !options.inference_table) {
    throw InputError("--terms-out", "needs --table or --inference: it is derived from its runs");
  }
  if (questions == 0) {
    throw InputError("--table",
                     "is missing (expected a table of published training runs, --inference with "
                     "one of inference runs, --log with the log of a run and --job with its job, "
                     "or --kernels or --collectives with tables of single "
                     "operations)");
  }
}

}  // namespace

ExitCode run_validate(const Options& options, const OutputStreams& streams) {
  check_question(options);
  if (options.training_log) {
    validate_log(options, streams);
    return ExitCode::answered;
  }
  if (options.inference_table) {
    validate_inference_table(options, streams);
    return ExitCode::answered;
  }
  if (options.training_table) {
    validate_table(options, streams);
    return ExitCode::answered;
  }
  write_result(operation_document(options), print_validation, options, streams.out);
  return ExitCode::answered;
}

}  // namespace forerun
