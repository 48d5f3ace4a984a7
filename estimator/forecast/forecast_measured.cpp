// Carries the estimate of one cluster to copies and work, beside a scenario.
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "estimator/forecast/forecast.hpp"
#include "estimator/forecast/learning.hpp"
#include "estimator/forecast/overhang.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {

namespace {

using Json = nlohmann::ordered_json;

void check_positive(std::string_view what, double value) {
  if (!(value > 0.0) || !std::isfinite(value)) {
    throw InputError("forecast", fmt::format("{} is {}, expected a positive number", what, value));
  }
}

void check_fraction(std::string_view what, double value) {
  if (!(value >= 0.0 && value <= 1.0)) {
    throw InputError("forecast", fmt::format("{} is {}, expected a share of 0 to 1", what, value));
  }
}

void check(const MeasuredInputs& inputs) {
  check_positive("the number of active parameters", inputs.active_parameters);
  check_positive("training FLOP per token", inputs.training_flop_per_token.in(unit::flop));
  check_positive("tokens per second", inputs.tokens_per_second);
  check_positive("MFU", inputs.mfu);
  check_fraction("MFU", inputs.mfu);
  check_positive("the peak of a device", inputs.peak_per_device.in(unit::flop / unit::second));
  check_positive("the number of devices", static_cast<double>(inputs.devices));
  check_positive("the number of days", inputs.duration.in(unit::day));
  check_fraction("the measured share of the step time", inputs.measured_fraction);
  check_fraction("the assumed utilisation", inputs.assumed_utilisation);
  if (inputs.decode) {
    check_positive("generated tokens per second", inputs.decode->tokens_per_second);
    check_fraction("the measured share of a decode iteration", inputs.decode->measured_fraction);
  }
  check_positive("words per minute", inputs.words_per_minute);
  check_positive("tokens per word", inputs.tokens_per_word);
}

struct Person {
  double tokens_per_minute;

  [[nodiscard]] double tokens_per_second() const {
    return tokens_per_minute * (unit::second / unit::minute);
  }
};

FlopsPerSecond all_peaks(const MeasuredInputs& inputs) {
  return static_cast<double>(inputs.devices) * inputs.peak_per_device;
}

/// Of the peak: in training, and in generating at 2 N FLOP a token.
struct Utilisation {
  double training;
  double decode;
};

Utilisation reached(const MeasuredInputs& inputs) {
  if (!inputs.decode) {
    return {inputs.mfu, inputs.mfu};
  }
  const FlopsPerSecond generating =
      inputs.decode->tokens_per_second * 2.0 * inputs.active_parameters * unit::flop / unit::second;
  return {inputs.mfu, generating / all_peaks(inputs)};
}

/// What the machines amount to when they run a model instead of training it.
Json workers(const MeasuredInputs& inputs,
             double decode_utilisation,
             double parameters,
             const Person& person) {
  const double copies = concurrent_copies(
      decode_utilisation * all_peaks(inputs), parameters, person.tokens_per_minute);
  const double years = inputs.duration.in(unit::year);
  return {{"copies", copies},
          {"generated_tokens_per_s", copies * person.tokens_per_second()},
          {"human_equivalents", copies},
          {"work_years_per_year", copies},
          {"work_years_per_year_2000h", copies * job_years_per_year()},
          {"work_years", copies * years},
          {"work_years_2000h", copies * years * job_years_per_year()},
          {"learning_years_per_day", learning_rate(copies)}};
}

Json described(double parameters, double tokens, const Json& work) {
  Json described = {{"parameters", parameters},
                    {"training_tokens", tokens},
                    {"tokens_per_parameter", tokens / parameters}};
  described.update(work);
  return described;
}

Json decode_json(const MeasuredInputs& inputs) {
  if (!inputs.decode) {
    return nullptr;
  }
  const DecodeEfficiency& decode = *inputs.decode;
  return {{"utilisation", reached(inputs).decode},
          {"tokens_per_s", decode.tokens_per_second},
          {"layout", decode.layout},
          {"batch", decode.batch},
          {"input_tokens", decode.input_tokens},
          {"output_tokens", decode.output_tokens},
          {"measured_fraction", decode.measured_fraction}};
}

/// What the machine reaches beside what is assumed of machines, and what that does to the answer.
void add_change(const MeasuredInputs& inputs, const Person& person, Json& document) {
  const Utilisation here = reached(inputs);
  document["efficiency"] = {
      {"assumed", {{"mfu", inputs.assumed_utilisation}, {"decode", inputs.assumed_utilisation}}},
      {"training", {{"mfu", here.training}, {"layout", inputs.layout}}},
      {"decode", decode_json(inputs)}};
  const double flop = document.at("training_flop").get<double>();
  Json assumed = workers(inputs, inputs.assumed_utilisation, inputs.active_parameters, person);
  assumed["training_flop"] = flop * inputs.assumed_utilisation / inputs.mfu;
  Json given = document.at("given_model");
  given["training_flop"] = flop;
  Json change = Json::object();
  for (const char* key : {"training_flop", "copies", "work_years", "learning_years_per_day"}) {
    const double before = assumed.at(key).get<double>();
    const double after = given.at(key).get<double>();
    change[key] = {{"assumed", before}, {"here", after}, {"ratio", after / before}};
  }
  document["change"] = std::move(change);
}

/// The scenario's quantiles of what both documents have, and how far apart they are.
Json comparison(const MeasuredInputs& inputs, double training_flop) {
  const Json scenario = forecast_scenario(inputs.scenario);
  Json compared;
  for (const char* key : {"scenario",
                          "year",
                          "base_date",
                          "samples",
                          "seed",
                          "constants",
                          "training_flop",
                          "parameters",
                          "training_tokens",
                          "copies",
                          "work_years",
                          "work_years_2000h",
                          "learning_years_per_day",
                          "published"}) {
    compared[key] = scenario.at(key);
  }
  compared["training_flop_ratio"] =
      training_flop / scenario.at("training_flop").at("p50").get<double>();
  return compared;
}

Json echo(const MeasuredInputs& inputs) {
  return {{"model", inputs.model},
          {"active_parameters", inputs.active_parameters},
          {"training_flop_per_token", inputs.training_flop_per_token.in(unit::flop)},
          {"tokens_per_s", inputs.tokens_per_second},
          {"mfu", inputs.mfu},
          {"peak_flop_per_s_per_device", inputs.peak_per_device.in(unit::flop / unit::second)},
          {"devices", inputs.devices},
          {"days", inputs.duration.in(unit::day)},
          {"words_per_minute", inputs.words_per_minute},
          {"tokens_per_word", inputs.tokens_per_word}};
}

Json notes_of(const MeasuredInputs& inputs) {
  Json notes = Json::array();
  if (inputs.decode) {
    notes.push_back(
        "The decode efficiency is that of the given model; the optimal model is taken to reach it "
        "too, on whatever layout it needs.");
  } else {
    notes.push_back(
        "Copies assume decoding at the utilisation of training; it is usually bound by memory and "
        "reaches less, as the capacity verb shows.");
  }
  notes.push_back(
      "The measured share is that of the step time, which sets the FLOP rate; the copies have "
      "factors beside it that no measurement here covers.");
  return notes;
}

/// Copies are rate / (2 N tau): what of that was timed, what is known, what is assumed.
Json provenance(const MeasuredInputs& inputs) {
  return {{"measured_fraction", inputs.measured_fraction},
          {"factors",
           {{{"factor", "model_flop_rate"},
             {"basis", "step time of the estimate"},
             {"measured_fraction", inputs.measured_fraction}},
            {{"factor", "decode_utilisation"},
             {"basis",
              inputs.decode ? "serving as capacity prices it"
                            : "taken to be that of training: " + inputs.no_decode_because},
             {"measured_fraction", inputs.decode ? inputs.decode->measured_fraction : 0.0}},
            {{"factor", "flop_per_generated_token"},
             {"basis", "2 x active parameters, attention over the context left out"},
             {"measured_fraction", 0.0}},
            {{"factor", "tokens_per_person_minute"},
             {"basis", "published words per minute and tokens per word"},
             {"measured_fraction", 0.0}}}}};
}

}  // namespace

nlohmann::ordered_json forecast_measured(const MeasuredInputs& inputs) {
  check(inputs);
  const Person person{.tokens_per_minute = inputs.words_per_minute * inputs.tokens_per_word};
  const FlopsPerSecond rate = inputs.mfu * all_peaks(inputs);
  const double decode = reached(inputs).decode;
  check_fraction("the decode efficiency", decode);
  const Flops training = rate * inputs.duration;
  const OptimalRatio ratio;
  const OptimalRun optimal = optimal_sqrt(training, ratio, person.tokens_per_minute);
  const double tokens = inputs.tokens_per_second * inputs.duration.in(unit::second);

  Json document;
  document["inputs"] = echo(inputs);
  document["anchor"] = fmt::format(
      "the machines generate at {}; a person thinks {:.4g} words a minute, {:.4g} tokens a word",
      inputs.decode ? "the rate at which they serve" : "the rate at which they train",
      inputs.words_per_minute,
      inputs.tokens_per_word);
  document["constants"] = {{"kappa", ratio.kappa},
                           {"tokens_per_parameter", ratio.tokens_per_parameter},
                           {"tokens_per_person_minute", person.tokens_per_minute}};
  document["model_flop_per_s"] = rate.in(unit::flop / unit::second);
  document["training_flop"] = training.in(unit::flop);
  document["given_model"] = described(
      inputs.active_parameters, tokens, workers(inputs, decode, inputs.active_parameters, person));
  document["optimal_model"] = described(optimal.parameters,
                                        optimal.training_tokens,
                                        workers(inputs, decode, optimal.parameters, person));
  add_change(inputs, person, document);
  document["provenance"] = provenance(inputs);
  document["scenario_comparison"] = comparison(inputs, training.in(unit::flop));
  document["notes"] = notes_of(inputs);
  return document;
}

}  // namespace forerun
