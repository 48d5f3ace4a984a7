// The consequences of a forecast as lines of text.
#include <cmath>
#include <ostream>
#include <string>
#include <string_view>

#include <fmt/ostream.h>

#include "estimator/forecast/consequences.hpp"
#include "units/quantity_text.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

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

std::string overtraining_text(const Json& factor) {
  return factor.is_null() ? "infinitely often" : fmt::format("{:.2f} times", factor.get<double>());
}

void print_line(std::ostream& out, std::string_view label, const std::string& text) {
  fmt::print(out, "  {:<19}  {}\n", label, text);
}

std::string trade_text(const Json& trade) {
  return fmt::format(
      "at 1/{:.3g} of the throughput {} copies at {:.3g} times, a year's work in "
      "{:.3g} days",
      trade["k"].get<double>(),
      number_text(trade["copies"].get<double>()),
      trade["speed_x_human"].get<double>(),
      trade["days_a_work_year"].get<double>());
}

void print_speed(const Json& speed, std::ostream& out) {
  std::string text = fmt::format("{:.3g} times a person at most, on {:.0f} devices a copy",
                                 speed["wall_x_human"].get<double>(),
                                 speed["devices_a_copy"].get<double>());
  if (!speed.contains("speed_x_human")) {
    print_line(out, "latency wall", text);
    return;
  }
  if (const Json& trade = speed["up_to_wall"]; trade.is_null()) {
    text += fmt::format("; the {:.3g} times of this scenario lie beyond it",
                        speed["speed_x_human"].get<double>());
  } else {
    text += fmt::format("; {}", trade_text(trade));
  }
  print_line(out, "latency wall", text);
  if (speed["is_wall_binding"].get<bool>()) {
    print_line(out, "without the wall", trade_text(speed["without_wall"]));
  }
  print_line(out,
             "supervision",
             fmt::format("a copy looked at once a day has worked {:.3g} days alone",
                         speed["autonomous_days_between_daily_looks"].get<double>()));
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
                         "{:.3f}, {} steps ({}); of {}, as newer laws have it, a pass takes {:.3g} "
                         "times the least tokens by that one",
                         learning["longest_useful_run_months"].get<double>(),
                         number_text(learning["critical_batch_tokens"].get<double>()),
                         learning["loss"].get<double>(),
                         number_text(learning["steps_at_critical_batch"].get<double>()),
                         learning["as_of"].get<std::string>(),
                         number_text(learning["batch_tokens"].get<double>()),
                         learning["examples_over_least_at_it"].get<double>()));
  const Json& data = document["data"];
  print_line(out,
             "text",
             fmt::format("{} tokens ({}): {}; synthetic, 5 of 32 kept: kappa {:.3g}, {} work-years",
                         number_text(data["text_tokens"].get<double>()),
                         data["as_of"].get<std::string>(),
                         passes_text(data["epochs_needed"]),
                         data["synthetic"]["kappa"].get<double>(),
                         number_text(data["synthetic"]["work_years"].get<double>())));
  for (const Json& fit : document["fits"]) {
    print_line(out,
               "fit " + fit["fit"].get<std::string>(),
               fmt::format("{} parameters, {} tokens: {} work-years; half the size takes {} the "
                           "compute; GPT-3 was {:.2f} times its optimal size ({})",
                           number_text(fit["parameters"].get<double>()),
                           number_text(fit["training_tokens"].get<double>()),
                           number_text(fit["work_years"].get<double>()),
                           overtraining_text(fit["compute_of_half_the_size"]),
                           fit["gpt3_times_optimal"].get<double>(),
                           fit["as_of"].get<std::string>()));
  }
}

std::string power_text(const Json& watts) {
  constexpr double gigawatt = 1e9;
  const auto power = watts.get<double>();
  return power < gigawatt ? fmt::format("{:.3g} MW", power / 1e6)
                          : fmt::format("{:.3g} GW", power / gigawatt);
}

void print_money(const Json& money, std::ostream& out) {
  std::string text = fmt::format(
      "{} device-hours, {} $ of rent ({} five years later), {} $ of "
      "energy",
      number_text(money["device_hours"].get<double>()),
      number_text(money["rent_usd"].get<double>()),
      number_text(money["rent_usd_5_years_later"].get<double>()),
      number_text(money["energy_usd"].get<double>()));
  if (!money["power_w"].is_null()) {
    text += ", " + power_text(money["power_w"]);
  }
  const Json& development = money["development_usd"];
  text += fmt::format("; the whole development {} $ [{}, {}]",
                      number_text(development[1].get<double>()),
                      number_text(development[0].get<double>()),
                      number_text(development[2].get<double>()));
  if (!money["cost_doubling_months"].is_null()) {
    text += fmt::format("; the largest run's cost doubles in {:.1f} months",
                        money["cost_doubling_months"].get<double>());
  }
  print_line(out, "money", text + fmt::format(" ({})", money["as_of"].get<std::string>()));
  const Json& site = money["site_of_100000_devices"];
  print_line(
      out,
      "100,000 devices",
      fmt::format("of {:.0f} W, as the trends have them in {:.0f}: {} (of H100 {}), {:.3g} TWh "
                  "and {} $ of energy a year",
                  money["device"]["power_w"].get<double>(),
                  money["device"]["year"].get<double>(),
                  power_text(site["power_w"]),
                  power_text(site["power_of_h100_w"]),
                  site["twh_per_year"].get<double>(),
                  number_text(site["usd_per_year"].get<double>())));
}

void print_savings(const Json& savings, std::ostream& out) {
  std::string devices;
  for (const Json& row : savings["weights"]) {
    devices += fmt::format("{}{} at {:.0f} bits",
                           devices.empty() ? "" : ", ",
                           number_text(row["devices"].get<double>()),
                           row["bits"].get<double>());
  }
  print_line(out,
             "serving, tuning",
             fmt::format("weights fit {} (devices); LoRA of rank {:.0f} trains {} parameters, 1 in "
                         "{:.0f} ({})",
                         devices,
                         savings["lora_rank"].get<double>(),
                         number_text(savings["lora_parameters"].get<double>()),
                         savings["full_over_lora"].get<double>(),
                         savings["as_of"].get<std::string>()));
  for (const Json& row : savings["published"]) {
    print_line(out,
               row["technique"].get<std::string>(),
               fmt::format("1/{:.3g} of {} ({})",
                           row["factor"].get<double>(),
                           row["of"].get<std::string>(),
                           row["as_of"].get<std::string>()));
  }
}

void print_layer(const Json& layer, std::ostream& out) {
  print_line(
      out,
      "a layer",
      fmt::format("of {}, {} wide: {} multiply-adds a token of attention at {} tokens, {} of "
                  "FFN; equal at {}; {} bytes of cache a token, all layers",
                  layer["layers"].get<std::int64_t>(),
                  layer["hidden"].get<std::int64_t>(),
                  number_text(layer["attention_macs_per_token"].get<double>()),
                  layer["sequence"].get<std::int64_t>(),
                  number_text(layer["ffn_macs_per_token"].get<double>()),
                  number_text(layer["crossover_tokens"].get<double>()),
                  number_text(layer["cache_bytes_per_token"].get<double>())));
}

}  // namespace

std::string number_text(double number) {
  constexpr double suffixes_end = 1e15;
  return number >= 1.0 && number < suffixes_end ? count_text(number)
                                                : fmt::format("{:.3g}", number);
}

void print_consequences(const Json& document, std::ostream& out) {
  out << "\nat the medians (assumed 100 %, measured 0 %)\n";
  print_progress(document, out);
  print_speed(document["serial_speed"], out);
  print_training(document, out);
  print_money(document["money"], out);
  print_savings(document["savings"], out);
  print_layer(document["layer"], out);
  const Json& projections = document["projections"];
  if (projections.contains("crossings")) {
    std::string years;
    for (const Json& row : projections["crossings"]) {
      years += fmt::format("{}{} FLOP in {:.1f}",
                           years.empty() ? "" : ", ",
                           flop_text(row["training_flop"]),
                           row["year"].get<double>());
    }
    print_line(out, "the trend reaches", years);
  }
  if (!projections.contains("reverting")) {
    return;
  }
  std::string branches;
  for (const Json& row : projections["reverting"]) {
    branches += fmt::format("{}{} if by {:.0f}",
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
