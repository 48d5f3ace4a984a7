#include "estimator/capacity/capacity_json.hpp"

#include <string>

#include <fmt/format.h>

#include "estimator/capacity/serving_band.hpp"
#include "estimator/profile/build_info.hpp"
#include "jobs/parameter_count.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

// Round-the-clock hours of a year over the 2,000 of a job year (forecasting.md, section 0).
constexpr double job_years_per_year = 8766.0 / 2000.0;
constexpr double days_per_year = 365.25;

Json seconds_or_null(const std::optional<Seconds>& time) {
  return time ? Json(time->in(unit::second)) : Json();
}

Json optional_number(const std::optional<double>& number) {
  return number ? Json(*number) : Json();
}

Json json_of(const ServingLayout& layout) {
  return {{"tp", layout.tensor}, {"pp", layout.pipeline}, {"ep", layout.expert}};
}

Json json_of(const ServingMemory& memory) {
  return {{"weights", memory.weights.in(unit::byte)},
          {"cache", memory.cache.in(unit::byte)},
          {"workspace", memory.workspace.in(unit::byte)}};
}

Json breakdown(const PassTime& time) {
  Json parts = Json::object();
  for (int i = 0; i < serving_parts; ++i) {
    parts[std::string(name_of(static_cast<ServingPart>(i)))] =
        time.parts.at(static_cast<std::size_t>(i)).in(unit::second);
  }
  return parts;
}

Json provenance(const PassTime& time) {
  const double total = time.total().in(unit::second);
  const auto share = [&](Tier tier) {
    return total > 0.0 ? time.tiers.at(static_cast<std::size_t>(tier)).in(unit::second) / total
                       : 0.0;
  };
  return {{"measured", share(Tier::measured)},
          {"interpolated", share(Tier::interpolated)},
          {"fitted", share(Tier::fitted)},
          {"datasheet", share(Tier::datasheet)}};
}

Json json_of(const ServingPoint& point) {
  return {{"layout", json_of(point.layout)},
          {"batch", point.batch},
          {"tokens_per_s_per_device", point.tokens_per_s_per_device()},
          {"tokens_per_s_per_user", 1.0 / point.tpot.in(unit::second)},
          {"tpot_s", point.tpot.in(unit::second)},
          {"ttft_s", point.ttft.in(unit::second)}};
}

Json speculation_json(const std::optional<Speculation>& speculation) {
  if (!speculation) {
    return nullptr;
  }
  return {{"draft", speculation->draft ? speculation->draft->name : "ngram"},
          {"tokens", speculation->tokens},
          {"acceptance", speculation->acceptance},
          {"tokens_per_round", tokens_of_a_round(*speculation)}};
}

Json inputs_of(const Capacity& capacity, const Cluster& cluster) {
  const CapacityRequest& request = capacity.request;
  const ModelShape& model = request.model;
  Json inputs;
  inputs["model"] = {{"name", model.name},
                     {"parameters", count_parameters(model).total},
                     {"active_parameters", count_parameters(model).active}};
  inputs["cluster"] = {{"name", cluster.name},
                       {"device", cluster.device.name},
                       {"devices", request.devices},
                       {"devices_per_node", cluster.devices_per_node},
                       {"memory_per_device_bytes", cluster.device.memory.in(unit::byte)}};
  inputs["precision"] = name_of(request.format.weights);
  inputs["cache_precision"] = name_of(request.format.cache);
  inputs["serving"] = request.serving == Serving::continuous ? "continuous" : "disaggregated";
  inputs["software"] = request.software.name;
  inputs["speculation"] = speculation_json(request.speculation);
  inputs["input_tokens"] = request.workload.input_tokens;
  inputs["output_tokens"] = request.workload.output_tokens;
  inputs["pass_tokens"] = request.workload.pass_tokens;
  inputs["ttft_s"] = seconds_or_null(request.workload.ttft);
  inputs["tpot_s"] = seconds_or_null(request.workload.tpot);
  inputs["words_per_minute"] = request.person.words_per_minute;
  inputs["tokens_per_word"] = request.person.tokens_per_word;
  inputs["mfu"] = request.training_mfu;
  return inputs;
}

void add_rates(Json& document, const Capacity& capacity) {
  const CapacityRequest& request = capacity.request;
  const ServingPoint& point = capacity.decode.point;
  const double people = capacity.human_equivalents;
  document["tokens_per_s_per_device"] =
      capacity.tokens_per_s / static_cast<double>(request.devices);
  document["tokens_per_s"] = capacity.tokens_per_s;
  document["ttft_s"] = capacity.ttft.in(unit::second);
  document["tpot_s"] = point.tpot.in(unit::second);
  document["replicas"] = capacity.decode.replicas;
  document["copies"] = capacity.copies;
  document["speed_x_human"] = 1.0 / point.tpot.in(unit::second) / request.person.tokens_per_s();
  document["human_equivalents"] = people;
  document["work_years_per_year"] = people;
  document["work_years_per_year_2000h"] = people * job_years_per_year;
  document["learning_years_per_day"] = people / days_per_year;
  document["usd_per_million_tokens"] = optional_number(capacity.usd_per_million_tokens);
  document["watts_per_copy"] = optional_number(capacity.watts_per_copy);
}

std::string explanation(const Capacity& capacity) {
  const FlopCount& count = capacity.by_flop;
  const ServingPoint& point = capacity.decode.point;
  const double tpot = point.tpot.in(unit::second);
  const auto share = [&](ServingPart part) {
    return 100.0 * point.time.parts.at(static_cast<std::size_t>(part)).in(unit::second) / tpot;
  };
  return fmt::format(
      "by FLOP the devices generate at {:.1f} % of their peak, as if they trained; serving {} "
      "sequences a replica reaches {:.3g} %. Of an iteration {:.0f} % goes into products with "
      "weights and experts, {:.0f} % into the cache, {:.0f} % into attention within prompts, "
      "{:.0f} % into messages between devices, {:.0f} % into waiting for launches, {:.0f} % into "
      "the rest; prompts of {} tokens for "
      "every {} generated are computed and not counted",
      100.0 * capacity.request.training_mfu,
      point.batch,
      100.0 * count.utilisation,
      share(ServingPart::weights) + share(ServingPart::experts),
      share(ServingPart::cache),
      share(ServingPart::prefill),
      share(ServingPart::exchange),
      share(ServingPart::host),
      share(ServingPart::elementwise) + share(ServingPart::head) + share(ServingPart::draft),
      capacity.request.workload.input_tokens,
      capacity.request.workload.output_tokens);
}

void add_flop_count(Json& document, const Capacity& capacity) {
  const FlopCount& count = capacity.by_flop;
  if (count.human_equivalents <= 0.0) {
    document["by_flop_ratio"] = nullptr;
    return;
  }
  document["by_flop_ratio"] = {{"tokens_per_s", count.tokens_per_s},
                               {"human_equivalents", count.human_equivalents},
                               {"mfu", capacity.request.training_mfu},
                               {"decode_utilisation", count.utilisation},
                               {"ratio_to_decode", count.ratio},
                               {"explanation", explanation(capacity)}};
}

// [low, high] of a number that is a time or a rate, or follows from one.
void add_band(Json& document, const Capacity& capacity) {
  const double half_width =
      serving_half_width(capacity.request.model, capacity.decode.point.time.relative_error());
  Json band{{"half_width", half_width}};
  for (const char* key : {"tokens_per_s_per_device",
                          "tokens_per_s",
                          "ttft_s",
                          "tpot_s",
                          "speed_x_human",
                          "human_equivalents",
                          "work_years_per_year",
                          "work_years_per_year_2000h",
                          "learning_years_per_day",
                          "usd_per_million_tokens"}) {
    if (const Json& value = document.at(key); !value.is_null()) {
      const auto centre = value.get<double>();
      band[key] = {centre / (1.0 + half_width), centre * (1.0 + half_width)};
    }
  }
  document["error_band"] = std::move(band);
  if (capacity.request.model.moe) {
    document["notes"].push_back(
        "no published rate of a model with experts states its batch: the band is that of dense "
        "models");
  }
}

}  // namespace

Json to_json(const Capacity& capacity, const Cluster& cluster) {
  const ServingPoint& point = capacity.decode.point;
  Json document = document_head();
  document["inputs"] = inputs_of(capacity, cluster);
  document["feasible"] = !capacity.infeasible_because.has_value();
  document["infeasible_reason"] =
      capacity.infeasible_because ? Json(*capacity.infeasible_because) : Json();
  document["layout"] = json_of(point.layout);
  document["batch"] = point.batch;
  add_rates(document, capacity);
  document["breakdown_s"] = breakdown(point.time);
  document["prefill_load"] = point.prefill_load;
  document["prefill_pool"] = nullptr;
  if (capacity.prefill) {
    document["prefill_pool"] = {{"layout", json_of(capacity.prefill->point.layout)},
                                {"replicas", capacity.prefill->replicas},
                                {"batch", capacity.prefill->point.batch},
                                {"ttft_s", capacity.prefill->point.ttft.in(unit::second)}};
  }
  document["memory_bytes"] = json_of(point.memory);
  document["memory_peak_bytes"] = point.memory.total().in(unit::byte);
  add_flop_count(document, capacity);
  document["considered"] = capacity.considered;
  document["pareto"] = Json::array();
  for (const ServingPoint& one : capacity.pareto) {
    document["pareto"].push_back(json_of(one));
  }
  document["provenance"] = provenance(point.time);
  document["price_error"] = point.time.relative_error();
  document["notes"] = capacity.notes;
  add_band(document, capacity);
  return document;
}

}  // namespace forerun
