// A plan as JSON.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "estimator/plan/plan.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

// What `estimate` says of the same job, without what all layouts share.
Json layout_json(const PlannedLayout& planned) {
  const JobEstimate& estimate = planned.estimate;
  const Json whole = to_json(estimate);
  const Json& recipe = whole["inputs"]["recipe"];
  Json json;
  json["layout"] = whole["inputs"]["layout"];
  json["devices"] = estimate.devices;
  json["batch"] = recipe["batch"];
  for (const char* key : {"micro_batch", "micro_batches_per_pipeline", "schedule", "sp"}) {
    json[key] = recipe[key];
  }
  json["recompute"] = recipe["recompute"];
  json["stage_layers"] = recipe["stage_layers"];
  json["offload"] = recipe["offload"];
  json["zero"] = recipe["zero"];
  json["hsdp_group"] = planned.candidate.sharding.group;
  json["overlap"] = whole["inputs"]["overlap"];
  for (const char* key : {"step_time_s",
                          "error_band_s",
                          "breakdown_s",
                          "bubble_fraction",
                          "tflops_per_device",
                          "mfu",
                          "tokens_per_s",
                          "memory_peak_bytes"}) {
    json[key] = whole[key];
  }
  json["memory_headroom_bytes"] =
      (estimate.request.hardware.cluster.device.memory - estimate.memory_peak).in(unit::byte);
  for (const char* key :
       {"memory_bytes", "memory_peak_stage", "host_memory_bytes", "provenance", "run"}) {
    json[key] = whole[key];
  }
  return json;
}

// What a step of `other` counts beside one of `best`: for as many tokens and, unless time is what
// counts, on as many devices.
double weight_of(const PlannedLayout& best, const PlannedLayout& other, Objective objective) {
  const auto ratio = [](std::int64_t a, std::int64_t b) {
    return static_cast<double>(a) / static_cast<double>(b);
  };
  const double batches = ratio(best.estimate.request.job.recipe.global_batch,
                               other.estimate.request.job.recipe.global_batch);
  const bool counts_devices = objective != Objective::time && objective != Objective::memory;
  return counts_devices ? batches * ratio(other.estimate.devices, best.estimate.devices) : batches;
}

// Why a layout is behind the best one: the parts that differ most.
std::string behind(const PlannedLayout& best, const PlannedLayout& other, Objective objective) {
  const Json first = breakdown_json(best.estimate.step.breakdown);
  const Json second = breakdown_json(other.estimate.step.breakdown);
  std::vector<std::pair<double, std::string>> parts;
  for (const auto& [part, value] : first.items()) {
    const double weight = weight_of(best, other, objective);
    parts.emplace_back(weight * second[part].get<double>() - value.get<double>(), part);
  }
  std::ranges::sort(parts, {}, [](const auto& part) { return -std::abs(part.first); });
  std::string text;
  for (const auto& [difference, part] : parts) {
    const bool matters = std::abs(difference) > 0.01 * best.estimate.step_time.in(unit::second);
    if (matters || text.empty()) {
      text += fmt::format("{}{} {}{}",
                          text.empty() ? "" : ", ",
                          part,
                          difference < 0.0 ? "-" : "+",
                          text_of(std::abs(difference) * unit::second));
    }
  }
  return text;
}

Json list_json(const std::vector<PlannedLayout>& list, Objective objective) {
  Json json = Json::array();
  for (const PlannedLayout& planned : list) {
    json.push_back(layout_json(planned));
    if (json.size() > 1) {
      json.back()["slower_because"] = behind(list.front(), planned, objective);
    }
  }
  return json;
}

Json inputs_json(const PlanRequest& request) {
  const auto limit = [](const auto& value, auto unit) {
    return value ? Json(value->in(unit)) : Json(nullptr);
  };
  Json inputs;
  inputs["model"] = request.model.name;
  inputs["cluster"] = request.hardware.cluster.name;
  inputs["device"] = request.hardware.cluster.device.name;
  inputs["memory_per_device_bytes"] = request.hardware.cluster.device.memory.in(unit::byte);
  inputs["devices"] = request.devices;
  inputs["batch"] = request.batches;
  inputs["seq"] = request.recipe.sequence;
  inputs["precision"] = name_of(request.recipe.precision);
  inputs["software"] = request.recipe.software.preset;
  inputs["tokens"] = request.recipe.tokens ? Json(*request.recipe.tokens) : Json(nullptr);
  inputs["steps"] = request.run.steps ? Json(*request.run.steps) : Json(nullptr);
  inputs["layout"] = request.choices.layouts ? Json(*request.choices.layouts) : Json(nullptr);
  inputs["objective"] = name_of(request.objective);
  inputs["second_objective"] = request.second ? Json(name_of(*request.second)) : Json(nullptr);
  inputs["deadline_s"] = limit(request.deadline, unit::second);
  inputs["max_cost_usd"] = limit(request.max_cost, unit::dollar);
  return inputs;
}

}  // namespace

nlohmann::ordered_json to_json(const Plan& plan) {
  Json json;
  json["inputs"] = inputs_json(plan.request);
  json["feasible"] = !plan.infeasible_because.has_value();
  json["infeasible_reason"] =
      plan.infeasible_because ? Json(*plan.infeasible_because) : Json(nullptr);
  json["enumerated"] = plan.counts.enumerated;
  json["rejected"] = Json::object();
  for (std::size_t rule = 0; rule < reject_count; ++rule) {
    json["rejected"][std::string(name_of(static_cast<Reject>(rule)))] =
        plan.counts.rejected.at(rule);
  }
  json["not_modelled"] = plan.counts.not_modelled;
  json["evaluated"] = plan.counts.evaluated;
  json["layouts"] = list_json(plan.layouts, plan.request.objective);
  json["pareto"] = list_json(plan.pareto, plan.request.objective);
  const bool is_limited = plan.request.deadline || plan.request.max_cost;
  json["fewest_devices"] = is_limited && plan.fewest ? layout_json(*plan.fewest) : Json(nullptr);
  json["nearest"] = plan.nearest ? layout_json(*plan.nearest) : Json(nullptr);
  json["notes"] = plan.request.hardware.notes;
  const auto* const any = !plan.layouts.empty() ? &plan.layouts.front()
                          : plan.nearest        ? &*plan.nearest
                                                : nullptr;
  if (any != nullptr) {
    const Json whole = to_json(any->estimate);
    json["notes"] = whole["notes"];
  }
  return json;
}

}  // namespace forerun
