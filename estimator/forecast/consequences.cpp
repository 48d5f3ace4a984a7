#include "estimator/forecast/consequences.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/ostream.h>

#include "estimator/forecast/future_model.hpp"
#include "estimator/forecast/learning.hpp"
#include "estimator/forecast/overhang.hpp"
#include "estimator/forecast/progress.hpp"
#include "estimator/forecast/scaling_law.hpp"
#include "estimator/forecast/trend.hpp"
#include "units/integer.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

constexpr double months_per_year = 12.0;
// FLOP per dollar: Epoch AI, trends page of 2026, 1.37 a year.
constexpr double hardware_per_year = 1.37;
// Effective compute of training methods: Epoch AI, 2025.
constexpr double software_per_year = 3.0;

Seconds months(double count) {
  return count / months_per_year * unit::year;
}

Json algorithms_of(const ForecastMedians& medians) {
  // Ho et al. 2024: 8.4 months [4.5, 14.3], 95 %.
  constexpr double slowest = 14.3;
  constexpr double centre = 8.4;
  constexpr double fastest = 4.5;
  const Seconds elapsed = (medians.year - medians.reference_year) * unit::year;
  const Flops physical = medians.training_flop * unit::flop;
  const auto compute = [&](double doubling) {
    return effective(physical, months(doubling), elapsed).in(unit::flop);
  };
  return {{"reference_year", medians.reference_year},
          {"doubling_months", {fastest, centre, slowest}},
          {"levels", {0.025, 0.5, 0.975}},
          {"effective_flop", {compute(slowest), compute(centre), compute(fastest)}},
          {"factor", compute(centre) / medians.training_flop},
          {"hardware_factor", std::pow(hardware_per_year, elapsed / unit::year)},
          {"as_of", "2024-03"},
          {"source",
           "Ho et al. 2024, arXiv 2403.05812, extrapolated; hardware: FLOP per dollar 1.37 a year, "
           "Epoch AI, "
           "2026"}};
}

Json density_of() {
  const Seconds doubling = density_doubling(density_trend.growth_per_day);
  // Epoch AI's 2.1 years for FLOP per dollar, as the paper takes it.
  const Seconds with_hardware = combine_doublings(doubling, 2.1 * unit::year);
  return {{"doubling_days", doubling / unit::day},
          {"with_hardware_doubling_days", with_hardware / unit::day},
          {"best_value_window_days", best_value_window(density_trend.growth_per_day) / unit::day},
          {"as_of", "2024-12"},
          {"source", "densing law, arXiv 2412.04315; FLOP per dollar doubles in 2.1 years"}};
}

Json price_of() {
  constexpr std::array<double, 3> fall = {9.0, 50.0, 900.0};
  Json halving = Json::array();
  for (const double factor : fall) {
    halving.push_back(doubling_time(factor) / months(1.0));
  }
  return {{"fall_per_year", fall},
          {"halving_months", halving},
          {"as_of", "2025-03"},
          {"source",
           "Epoch AI: price of a fixed capability falls 9 to 900 times a year over "
           "benchmarks, median 50"}};
}

Json speed_of(const ForecastMedians& medians) {
  const LatencyWall wall = future_latency_wall(medians.parameters, medians.year);
  const double wall_x_human = speed_x_human(wall.time, medians.tokens_per_person_minute);
  Json speed{{"token_s", wall.time.in(unit::second)},
             {"devices_a_copy", wall.devices},
             {"wall_x_human", wall_x_human}};
  if (medians.speed_x_human) {
    constexpr double k = 5.0;
    const SpeedTrade trade = k_rule(
        {.speed_x_human = *medians.speed_x_human, .copies = medians.work_years}, k, wall_x_human);
    speed["speed_x_human"] = *medians.speed_x_human;
    speed["k"] = k;
    speed["k_speed_x_human"] = trade.speed_x_human;
    speed["k_copies"] = trade.copies;
    speed["k_days_a_work_year"] = unit::year / unit::day / trade.speed_x_human;
    speed["is_wall_binding"] = wall_x_human < k * k * *medians.speed_x_human;
    // A person who looks in once a day finds so many days of work.
    speed["autonomous_days_between_daily_looks"] = *medians.speed_x_human;
  }
  speed["as_of"] = "2025-03";
  speed["source"] =
      "Erdil 2025, Inference economics of language models: dense, 2 bytes a weight, 4 reductions a "
      "layer, 1 us a hop, the year's memory bandwidth; k rule: Steinhardt 2023";
  return speed;
}

Json learning_of(const ForecastMedians& medians) {
  const std::array<double, 2> growths = {hardware_per_year, software_per_year};
  // Kaplan et al. 2020, B* of 2.0 to 2.1e8 tokens.
  constexpr double batch_scale = 2.05e8;
  const double final_loss = loss(medians.parameters, medians.training_tokens, epoch_fit);
  const double batch = critical_batch(final_loss, batch_scale);
  return {{"longest_useful_run_months", longest_run(growths) / months(1.0)},
          {"loss", final_loss},
          {"critical_batch_tokens", batch},
          {"steps_at_critical_batch", medians.training_tokens / batch},
          {"as_of", "2025"},
          {"source",
           "run: Epoch 2025, hardware 1.37 and software 3 a year; batch: Kaplan et al. 2020 at the "
           "loss of Besiroglu et al. 2024's fit"}};
}

struct NamedFit {
  const char* name;
  const char* as_of;
  LossFit fit;
};

Json fits_of(const ForecastMedians& medians) {
  // 6 N D = C for GPT-3: 175e9 parameters, 3.14e23 FLOP.
  constexpr double gpt3_parameters = 175e9;
  constexpr double gpt3_flop = 3.14e23;
  const std::array<NamedFit, 3> fits = {{{"hoffmann", "2022-03", hoffmann_fit},
                                         {"besiroglu", "2024-04", epoch_fit},
                                         {"muennighoff", "2023-05", muennighoff_fit}}};
  Json rows = Json::array();
  for (const NamedFit& fit : fits) {
    const OptimalShape shape = optimal_fit(medians.training_flop * unit::flop, fit.fit);
    const Seconds work =
        overhang_tokens(shape.tokens, medians.kappa, medians.tokens_per_person_minute);
    rows.push_back({{"fit", fit.name},
                    {"parameters", shape.parameters},
                    {"training_tokens", shape.tokens},
                    {"loss", loss(shape.parameters, shape.tokens, fit.fit)},
                    {"work_years", work.in(unit::year)},
                    {"gpt3_times_optimal",
                     gpt3_parameters / optimal_fit(gpt3_flop * unit::flop, fit.fit).parameters},
                    {"as_of", fit.as_of}});
  }
  return rows;
}

Json data_of(const ForecastMedians& medians) {
  // Villalobos et al. 2024: 500T indexed, about 300T after filters.
  constexpr double stock = 300e12;
  constexpr double worthwhile_epochs = 4.0;
  const auto epochs = epochs_for(medians.training_tokens, stock);
  Json data{{"text_tokens", stock},
            {"tokens_at_4_epochs", data_cap(stock, worthwhile_epochs)},
            {"epochs_needed", nullptr},
            {"as_of", "2024-06"},
            {"source", "text: Villalobos et al. 2024; repeats: Muennighoff et al. 2023"}};
  if (epochs) {
    data["epochs_needed"] = *epochs;
  }
  return data;
}

Json projections_of(const ForecastMedians& medians) {
  Json projections = Json::object();
  constexpr double first = 2025.0;
  constexpr double last = 2080.0;
  if (medians.year < first || medians.year > last) {
    return projections;
  }
  const ProjectionRow row = besiroglu_row(medians.year);
  projections["published_log10_flop"] = {row.low, row.median, row.high};
  projections["published_levels"] = "2 s.d. either way";
  for (const ReversionBranch& branch : reversion_branches) {
    projections["reverting"].push_back(
        {{"branch", branch.name},
         {"reversion_year", branch.year},
         {"weight", branch.weight},
         {"training_flop",
          reverting_growth(besiroglu_reversion(branch.year), medians.year).in(unit::flop)}});
  }
  projections["as_of"] = "2022-03";
  projections["source"] =
      "Besiroglu, Heim and Sevilla 2022: Table 1, and growth that reverts to Moore's from 10^24.1 "
      "in 2022";
  return projections;
}

std::string flop_text(double flop) {
  return fmt::format("{:.2g}", flop);
}

std::string passes_text(const Json& epochs) {
  if (epochs.is_null()) {
    return "no number of passes is worth as many";
  }
  const auto count = epochs.get<double>();
  return count > 1.0 ? fmt::format("{:.1f} passes are worth as many", count) : "enough in one pass";
}

void print_line(std::ostream& out, std::string_view label, const std::string& text) {
  fmt::print(out, "  {:<19}  {}\n", label, text);
}

void print_speed(const Json& speed, std::ostream& out) {
  std::string text = fmt::format("{:.3g} times a person at most, on {:.0f} devices a copy",
                                 speed["wall_x_human"].get<double>(),
                                 speed["devices_a_copy"].get<double>());
  if (speed.contains("k")) {
    text += fmt::format(
        "; 1/{0:.0f} of the throughput: {1} copies at {2:.3g} times{3}, a year's work in {4:.3g} "
        "days",
        speed["k"].get<double>(),
        number_text(speed["k_copies"].get<double>()),
        speed["k_speed_x_human"].get<double>(),
        speed["is_wall_binding"].get<bool>() ? " (the wall binds)" : "",
        speed["k_days_a_work_year"].get<double>());
  }
  print_line(out, "latency wall", text);
  if (speed.contains("k")) {
    print_line(out,
               "supervision",
               fmt::format("a copy looked at once a day has worked {:.3g} days alone",
                           speed["autonomous_days_between_daily_looks"].get<double>()));
  }
}

void print_progress(const Json& document, std::ostream& out) {
  const Json& algorithms = document["algorithms"];
  const Json& compute = algorithms["effective_flop"];
  print_line(out,
             "algorithms",
             fmt::format("like {} FLOP [{}, {}; 95 %] by the methods of {:.1f}: {:.3g} times; FLOP "
                         "per dollar {:.3g} times ({})",
                         flop_text(compute[1]),
                         flop_text(compute[0]),
                         flop_text(compute[2]),
                         algorithms["reference_year"].get<double>(),
                         algorithms["factor"].get<double>(),
                         algorithms["hardware_factor"].get<double>(),
                         algorithms["as_of"].get<std::string>()));
  const Json& density = document["density"];
  print_line(out,
             "density",
             fmt::format("half the size does as well after {:.0f} days, the same for half the "
                         "dollars after {:.0f} ({})",
                         density["doubling_days"].get<double>(),
                         density["with_hardware_doubling_days"].get<double>(),
                         density["as_of"].get<std::string>()));
  const Json& price = document["price"];
  print_line(out,
             "price",
             fmt::format("of a fixed capability halves in {:.1f} months ({:.1f} to {:.1f} over "
                         "benchmarks; {})",
                         price["halving_months"][1].get<double>(),
                         price["halving_months"][2].get<double>(),
                         price["halving_months"][0].get<double>(),
                         price["as_of"].get<std::string>()));
}

void print_training(const Json& document, std::ostream& out) {
  const Json& learning = document["learning"];
  print_line(out,
             "training",
             fmt::format("longest useful run {:.1f} months; critical batch {} tokens at a loss of "
                         "{:.3f}, {} steps ({})",
                         learning["longest_useful_run_months"].get<double>(),
                         number_text(learning["critical_batch_tokens"].get<double>()),
                         learning["loss"].get<double>(),
                         number_text(learning["steps_at_critical_batch"].get<double>()),
                         learning["as_of"].get<std::string>()));
  const Json& data = document["data"];
  print_line(out,
             "text",
             fmt::format("{} tokens ({}): {}",
                         number_text(data["text_tokens"].get<double>()),
                         data["as_of"].get<std::string>(),
                         passes_text(data["epochs_needed"])));
  for (const Json& fit : document["fits"]) {
    print_line(out,
               "fit " + fit["fit"].get<std::string>(),
               fmt::format("{} parameters, {} tokens: {} work-years; GPT-3 was {:.2f} times its "
                           "optimal size ({})",
                           number_text(fit["parameters"].get<double>()),
                           number_text(fit["training_tokens"].get<double>()),
                           number_text(fit["work_years"].get<double>()),
                           fit["gpt3_times_optimal"].get<double>(),
                           fit["as_of"].get<std::string>()));
  }
}

}  // namespace

std::string number_text(double number) {
  constexpr double suffixes_end = 1e15;
  return number >= 1.0 && number < suffixes_end ? count_text(number)
                                                : fmt::format("{:.3g}", number);
}

LatencyWall future_latency_wall(double parameters, double year) {
  constexpr double bytes = 2.0;
  const LatencyProblem problem{
      .parameters = parameters,
      .layers = real(future_model(parameters).layers),
      .bytes_per_parameter = bytes * unit::byte,
      .memory = future_device(year).bandwidth_bytes_per_s * (unit::byte / unit::second),
      .hop = 1.0 * unit::microsecond};
  const LatencyWall wall = latency_min(problem);
  return wall.devices >= 1.0 ? wall : LatencyWall{1.0, token_latency(problem, 1.0)};
}

Json consequences_of(const ForecastMedians& medians) {
  Json document;
  document["measured_fraction"] = 0.0;
  document["assumed_fraction"] = 1.0;
  document["algorithms"] = algorithms_of(medians);
  document["density"] = density_of();
  document["price"] = price_of();
  document["serial_speed"] = speed_of(medians);
  document["learning"] = learning_of(medians);
  document["data"] = data_of(medians);
  document["fits"] = fits_of(medians);
  document["projections"] = projections_of(medians);
  return document;
}

void print_consequences(const Json& document, std::ostream& out) {
  out << "\nat the medians (assumed 100 %, measured 0 %)\n";
  print_progress(document, out);
  print_speed(document["serial_speed"], out);
  print_training(document, out);
  const Json& projections = document["projections"];
  if (projections.empty()) {
    return;
  }
  std::string branches;
  for (const Json& row : projections["reverting"]) {
    branches += fmt::format("{}{} in {:.0f}",
                            branches.empty() ? "" : ", ",
                            flop_text(row["training_flop"]),
                            row["reversion_year"].get<double>());
  }
  const Json& published = projections["published_log10_flop"];
  print_line(out,
             "projection of 2022",
             fmt::format("{} FLOP [{}, {}; 2 s.d.]; growth that reverts to Moore's: {}",
                         flop_text(std::pow(10.0, published[1].get<double>())),
                         flop_text(std::pow(10.0, published[0].get<double>())),
                         flop_text(std::pow(10.0, published[2].get<double>())),
                         branches));
}

}  // namespace forerun
