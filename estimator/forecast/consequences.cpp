#include "estimator/forecast/consequences.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "estimator/forecast/future_model.hpp"
#include "estimator/forecast/learning.hpp"
#include "estimator/forecast/money.hpp"
#include "estimator/forecast/overhang.hpp"
#include "estimator/forecast/progress.hpp"
#include "estimator/forecast/scaling_law.hpp"
#include "estimator/forecast/trend.hpp"
#include "jobs/forward_macs.hpp"
#include "units/integer.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

constexpr double months_per_year = 12.0;
// FLOP per dollar: Epoch AI, trends page of 2026, 1.37 a year.
constexpr double hardware_per_year = 1.37;
// Effective compute of training methods: Epoch AI, 2025.
constexpr double software_per_year = 3.0;

Json or_null(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

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
  const auto in_months = [](Seconds time) { return time / months(1.0); };
  return {{"reference_year", medians.reference_year},
          // Of the study's own fit; the interval above is of its bootstrap.
          {"doubling_months_by_fit", in_months(compute_doubling(ho_parameters, ho_data))},
          {"doubling_months_of_data_by_fit", in_months(term_doubling(ho_data))},
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

Json density_of(const ForecastMedians& medians) {
  const Seconds doubling = density_doubling(density_trend.growth_per_day);
  // Epoch AI's 2.1 years for FLOP per dollar, as the paper takes it.
  const Seconds with_hardware = combine_doublings(doubling, 2.1 * unit::year);
  constexpr double reference_tokens = 1e12;
  const double model_loss = loss(medians.parameters, medians.training_tokens, epoch_fit);
  const double equal = reference_parameters(model_loss, reference_tokens, epoch_fit);
  return {{"doubling_days", doubling / unit::day},
          {"density", density(density_trend, medians.year)},
          // With a trillion tokens each; null: no size reaches that loss.
          {"parameters_of_equal_loss", std::isfinite(equal) ? Json(equal) : Json(nullptr)},
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

constexpr double k_of_the_article = 5.0;  // Steinhardt 2023
constexpr double devices_a_machine = 8.0;

// What underutilising by k makes of speed and copies.
Json trade_of(const SpeedTrade& before, double k) {
  constexpr double no_wall = std::numeric_limits<double>::infinity();
  const SpeedTrade trade = k_rule(before, k, no_wall);
  return {{"k", k},
          {"speed_x_human", trade.speed_x_human},
          {"copies", trade.copies},
          {"days_a_work_year", unit::year / unit::day / trade.speed_x_human}};
}

Json speed_of(const ForecastMedians& medians) {
  const LatencyWall wall = future_latency_wall(medians.parameters, medians.year);
  const double wall_x_human = speed_x_human(wall.time, medians.tokens_per_person_minute);
  Json speed{{"token_s", wall.time.in(unit::second)},
             {"devices_a_copy", wall.devices},
             {"wall_x_human", wall_x_human}};
  const FutureDevice device = future_device(medians.year);
  const TileMachine machine{
      device.bf16_flop_per_s * (unit::flop / unit::second),
      device.bandwidth_bytes_per_s * (unit::byte / unit::second),
      devices_a_machine * device.network_bytes_per_s * (unit::byte / unit::second),
      devices_a_machine};
  const BestTile tile = best_tile(machine);
  speed["tiles"] = {{"tile", tile.tile},
                    {"batch", tile.batch},
                    {"product_s", tile_time(machine, tile.tile, tile.batch).in(unit::second)},
                    {"fom_per_s", fom(machine.compute, machine.memory)}};
  if (medians.speed_x_human) {
    const double base = *medians.speed_x_human;
    speed["speed_x_human"] = base;
    speed["without_wall"] =
        trade_of({.speed_x_human = base, .copies = medians.work_years}, k_of_the_article);
    speed["is_wall_binding"] = wall_x_human < k_of_the_article * k_of_the_article * base;
    // Slower than that there is no reason to give copies away.
    const double k = std::min(k_of_the_article, std::sqrt(wall_x_human / base));
    speed["up_to_wall"] = k > 1.0
                              ? trade_of({.speed_x_human = base, .copies = medians.work_years}, k)
                              : Json(nullptr);
    // A person who looks in once a day finds so many days of work.
    speed["autonomous_days_between_daily_looks"] = std::min(base, wall_x_human);
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
  const double critical = critical_batch(final_loss, batch_scale);
  // The batch of an emitted job, which follows newer laws (`batch_for`).
  constexpr std::int64_t context = 8192;
  const double batch = real(batch_for(medians.training_tokens, context, 1) * context);
  return {{"longest_useful_run_months", longest_run(growths) / months(1.0)},
          {"loss", final_loss},
          {"critical_batch_tokens", critical},
          {"batch_tokens", batch},
          {"examples_over_least_at_it", batch_cost(batch, critical).examples},
          {"steps_at_critical_batch", medians.training_tokens / critical},
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
                    {"compute_of_half_the_size", or_null(overtrain(0.5, fit.fit))},
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
  // Steinhardt 2023: Huang et al. 2022 generate 32 solutions; that 5 are kept is his assumption.
  constexpr double samples = 32.0;
  constexpr double kept = 5.0;
  const double kappa = synthetic_kappa(samples, kept);
  const OptimalRun synthetic = optimal_sqrt(medians.training_flop * unit::flop,
                                            {medians.training_tokens / medians.parameters, kappa},
                                            medians.tokens_per_person_minute);
  Json data{{"text_tokens", stock},
            {"synthetic", {{"kappa", kappa}, {"work_years", synthetic.work.in(unit::year)}}},
            {"tokens_at_4_epochs", data_cap(stock, worthwhile_epochs)},
            {"epochs_needed", nullptr},
            {"as_of", "2024-06"},
            {"source", "text: Villalobos et al. 2024; repeats: Muennighoff et al. 2023"}};
  if (epochs) {
    data["epochs_needed"] = *epochs;
  }
  return data;
}

// Machines of the year, H100's carried on (`future_device`), with what a site adds.
SitePower site_of(const FutureDevice& device, double devices) {
  // Epoch AI's training-cost-trends repository: a DGX H100 draws 10.2 kW for 8 x 0.7; hyperscalers
  // add a tenth.
  constexpr double server_per_device = 1.821;
  constexpr double pue = 1.1;
  return {.devices = devices,
          .device_power = device.power_w * unit::watt,
          .server_per_device = server_per_device,
          .pue = pue};
}

Json money_of(const ForecastMedians& medians) {
  constexpr double utilisation = 0.375;             // median of 58 runs in Epoch AI's database
  constexpr double usd_per_kilowatt_hour = 0.0826;  // industry in the United States, 2025
  constexpr double site_devices = 1e5;
  // The final run's share of a development: Epoch AI, 1.2 to 4.0 times, median 2.2.
  constexpr std::array<double, 3> whole_development = {1.2, 2.2, 4.0};
  constexpr double later_years = 5.0;
  const FutureDevice device = future_device(medians.year);
  const auto peak = device.bf16_flop_per_s * (unit::flop / unit::second);
  const Flops training = medians.training_flop * unit::flop;
  const auto usd = [](Dollars dollars) { return dollars.in(unit::dollar); };
  const Dollars rental = rent(training, peak, utilisation, device.usd_per_hour * unit::dollar);
  const Seconds work = device_time(training, peak, utilisation);
  const Joules energy = site_energy(site_of(device, 1.0), work);
  Json development = Json::array();
  for (const double factor : whole_development) {
    development.push_back(factor * usd(rental));
  }
  const Watts site = site_power(site_of(device, site_devices));
  const Joules site_year = site_energy(site_of(device, site_devices), unit::year);
  Json money{
      {"device_hours", work / unit::hour},
      {"utilisation", utilisation},
      {"rent_usd", usd(rental)},
      {"rent_usd_5_years_later", usd(cheaper(rental, hardware_per_year, later_years * unit::year))},
      {"development_usd", std::move(development)},
      {"hardware_loses_of_its_value_a_year", usd(amortised(unit::dollar, unit::year))},
      {"energy_kwh", energy / unit::kilowatt_hour},
      {"energy_usd", usd(energy_price(energy, usd_per_kilowatt_hour * unit::dollar))},
      {"joule_per_flop", energy_per_flop(site_of(device, 1.0), peak, utilisation).in(unit::joule)},
      {"device", {{"year", medians.year}, {"power_w", device.power_w}}},
      // GPT-3 at 4.6M dollars to GPT-4 at 100M in 33 months.
      {"cost_doubling_months_2020_to_2023", doubling_of(100.0 / 4.6, months(33.0)) / months(1.0)},
      {"value_left_after_3_years", usd(value_after(unit::dollar, 3.0 * unit::year))},
      {"power_w", nullptr},
      {"site_of_100000_devices",
       {{"power_w", site.in(unit::watt)},
        {"power_of_h100_w",
         site_power(site_of(future_device(h100_year), site_devices)).in(unit::watt)},
        {"twh_per_year", site_year / (1e9 * unit::kilowatt_hour)},
        {"usd_per_year", usd(energy_price(site_year, usd_per_kilowatt_hour * unit::dollar))}}},
      {"cost_doubling_months", nullptr},
      {"months_to_10_times_the_cost", nullptr},
      {"as_of", "2026"},
      {"source",
       "device: H100 carried on by Epoch AI's trends; rent, server, PUE, kWh and value lost: "
       "Cottier et al. 2024 and its repository; utilisation: median of 58 runs"}};
  if (medians.training_years) {
    money["power_w"] = (energy / (*medians.training_years * unit::year)).in(unit::watt);
  }
  constexpr double ten = 10.0;
  if (medians.trend && medians.trend->factor_per_year > hardware_per_year) {
    const Seconds doubling = cost_doubling(doubling_time(medians.trend->factor_per_year),
                                           doubling_time(hardware_per_year));
    money["cost_doubling_months"] = doubling / months(1.0);
    money["months_to_10_times_the_cost"] = time_to_grow(ten, doubling) / months(1.0);
  }
  return money;
}

// The dense model that `future_model` makes of so many parameters.
ModelShape shape_of(const FutureModel& model) {
  constexpr std::int64_t head_size = 128;
  ModelShape shape;
  shape.name = "future";
  shape.layers = model.layers;
  shape.hidden = model.hidden;
  shape.ffn_hidden = model.ffn_hidden;
  shape.vocabulary = model.vocabulary;
  shape.max_positions = model.context;
  shape.activation = Activation::swiglu;
  shape.attention.heads = model.heads;
  shape.attention.kv_heads = model.kv_heads;
  shape.attention.head_size = head_size;
  return shape;
}

// Serving and tuning with less: devices that hold the weights, adapters, published factors.
Json savings_of(const ForecastMedians& medians, const FutureModel& model) {
  constexpr std::array<double, 4> widths = {16.0, 8.0, 4.0, 3.0};
  constexpr double rank = 8.0;
  const Bytes memory = future_device(medians.year).memory_bytes * unit::byte;
  Json weights = Json::array();
  for (const double bits : widths) {
    weights.push_back(
        {{"bits", bits}, {"devices", devices_for_weights(medians.parameters, bits, memory)}});
  }
  const double layers = real(model.layers);
  const double hidden = real(model.hidden);
  const double values = real(model.kv_heads) * hidden / real(model.heads);
  const double adapters =
      lora_parameters(rank, hidden, hidden, layers) + lora_parameters(rank, hidden, values, layers);
  return {{"weights", std::move(weights)},
          {"lora_rank", rank},
          {"lora_parameters", adapters},
          {"full_over_lora", medians.parameters / adapters},
          {"published",
           {{{"technique", "FlashAttention"},
             {"factor", 3.0},
             {"of", "the time of a GPT-2 step at 1,024 tokens; 1.15 of BERT-large's"},
             {"as_of", "2022-05"}},
            {{"technique", "distillation"},
             {"factor", 540e9 / 770e6},
             {"of",
              "the parameters: a T5 of 770M does better than PaLM 540B with a few examples (Hsieh "
              "et al.; another text prints 7.7B)"},
             {"as_of", "2023-05"}},
            {{"technique", "QLoRA"},
             {"factor", 780.0 / 48.0},
             {"of", "the memory: 65B tuned on one device of 48 GB, 780 GB at 16 bits"},
             {"as_of", "2023-05"}}}},
          {"as_of", "2023-05"},
          {"source",
           "weights over the year's device memory, nothing else counted; LoRA on queries and "
           "values"}};
}

Json layer_of(const FutureModel& model) {
  const ModelShape shape = shape_of(model);
  const ForwardMacs macs = forward_macs(shape, shape.max_positions);
  const double layers = real(shape.layers);
  return {{"sequence", shape.max_positions},
          {"layers", shape.layers},
          {"hidden", shape.hidden},
          {"attention_macs_per_token", macs.attention() / layers},
          {"ffn_macs_per_token", macs.ffn / layers},
          {"attention_fraction", macs.attention() / macs.layers()},
          {"crossover_tokens", attention_crossover(shape).value()},
          {"cache_bytes_per_token",
           4.0 * layers * real(shape.attention.kv_heads * shape.attention.head_size)},
          {"as_of", "2024-07"},
          {"source", "Llama-3.1 405B's aspect ratios; causal attention; a cache of 16 bits"}};
}

Json projections_of(const ForecastMedians& medians) {
  Json projections = Json::object();
  if (medians.trend) {
    for (const double target : {1e27, 1e28, 2e29}) {
      projections["crossings"].push_back(
          {{"training_flop", target}, {"year", crossing(*medians.trend, target * unit::flop)}});
    }
  }
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

}  // namespace

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
  document["density"] = density_of(medians);
  document["price"] = price_of();
  document["serial_speed"] = speed_of(medians);
  document["learning"] = learning_of(medians);
  document["data"] = data_of(medians);
  document["fits"] = fits_of(medians);
  const FutureModel model = future_model(medians.parameters);
  document["money"] = money_of(medians);
  document["savings"] = savings_of(medians, model);
  document["layer"] = layer_of(model);
  document["projections"] = projections_of(medians);
  return document;
}

}  // namespace forerun
