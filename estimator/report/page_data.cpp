#include "estimator/report/page_data.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "estimator/profile/build_info.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

// A page stays under 4 MB: a layout takes some 400 bytes, a row of a validation 500, a slice 60.
constexpr std::size_t most_layouts = 3'000;
constexpr std::size_t most_rows = 4'000;
constexpr std::size_t most_slices = 20'000;
constexpr std::size_t most_records = 4'000;
// Layouts at the head whose breakdown is drawn.
constexpr std::size_t compared_layouts = 8;
constexpr std::size_t cloud_size = 15'000;

/// A column of a list: its name in the page and where its value stands in an element.
struct Column {
  const char* name;
  const char* pointer;
};

Json value_at(const Json& element, const char* pointer) {
  const Json::json_pointer path(pointer);
  return element.contains(path) ? element.at(path) : Json(nullptr);
}

Json columns_of(const Json& list, std::span<const Column> columns, std::size_t most) {
  Json table{{"columns", Json::array()}, {"rows", Json::array()}, {"total", list.size()}};
  for (const Column& column : columns) {
    table["columns"].push_back(column.name);
  }
  for (const Json& element : list) {
    if (table["rows"].size() == most) {
      break;
    }
    Json row = Json::array();
    for (const Column& column : columns) {
      row.push_back(value_at(element, column.pointer));
    }
    table["rows"].push_back(std::move(row));
  }
  return table;
}

constexpr auto layout_columns =
    std::to_array<Column>({{"tp", "/layout/tp"},
                           {"pp", "/layout/pp"},
                           {"vp", "/layout/vp"},
                           {"cp", "/layout/cp"},
                           {"ep", "/layout/ep"},
                           {"etp", "/layout/etp"},
                           {"dp", "/layout/dp"},
                           {"devices", "/devices"},
                           {"batch", "/batch"},
                           {"micro_batch", "/micro_batch"},
                           {"schedule", "/schedule"},
                           {"sp", "/sp"},
                           {"recompute", "/recompute"},
                           {"zero", "/zero"},
                           {"overlap", "/overlap"},
                           {"step_time_s", "/step_time_s"},
                           {"band_low_s", "/error_band_s/0"},
                           {"band_high_s", "/error_band_s/1"},
                           {"mfu", "/mfu"},
                           {"tokens_per_s", "/tokens_per_s"},
                           {"bubble_fraction", "/bubble_fraction"},
                           {"memory_peak_bytes", "/memory_peak_bytes"},
                           {"memory_headroom_bytes", "/memory_headroom_bytes"},
                           {"days", "/run/days"},
                           {"cost_usd", "/run/cost_usd"},
                           {"energy_kwh", "/run/energy_kwh"},
                           {"slower_because", "/slower_because"}});

constexpr auto validation_columns = std::to_array<Column>({{"id", "/id"},
                                                           {"groups", "/groups"},
                                                           {"published_s", "/published_s"},
                                                           {"predicted_s", "/predicted_s"},
                                                           {"error", "/error"},
                                                           {"band_low_s", "/band_s/0"},
                                                           {"band_high_s", "/band_s/1"},
                                                           {"tier", "/tier"},
                                                           {"layout", "/layout"},
                                                           {"software", "/software"},
                                                           {"assumed", "/assumed"},
                                                           {"skip_reason", "/skip_reason"}});

constexpr auto kernel_columns = std::to_array<Column>({{"key", "/key"},
                                                       {"median_s", "/median_s"},
                                                       {"low_s", "/low_s"},
                                                       {"high_s", "/high_s"},
                                                       {"samples", "/samples"},
                                                       {"flags", "/flags"},
                                                       {"flop", "/flop"},
                                                       {"bytes", "/bytes"},
                                                       {"flop_per_s", "/flop_per_s"},
                                                       {"bytes_per_s", "/bytes_per_s"},
                                                       {"share_of_peak", "/share_of_peak"},
                                                       {"rank_spread", "/rank_spread"},
                                                       {"algorithm", "/algorithm"}});

constexpr auto collective_columns =
    std::to_array<Column>({{"key", "/key"},
                           {"median_s", "/median_s"},
                           {"low_s", "/low_s"},
                           {"high_s", "/high_s"},
                           {"samples", "/samples"},
                           {"flags", "/flags"},
                           {"algbw_bytes_per_s", "/algbw_bytes_per_s"},
                           {"busbw_bytes_per_s", "/busbw_bytes_per_s"},
                           {"own_estimate_s", "/own_estimate_s"},
                           {"wrong", "/wrong"}});

constexpr auto slice_columns = std::to_array<Column>({{"name", "/name"},
                                                      {"category", "/cat"},
                                                      {"process", "/pid"},
                                                      {"thread", "/tid"},
                                                      {"start_us", "/ts"},
                                                      {"duration_us", "/dur"}});

constexpr auto bound_columns =
    std::to_array<Column>({{"id", "/id"},
                           {"published", "/published_tokens_per_s_per_device"},
                           {"predicted", "/predicted_tokens_per_s_per_device"},
                           {"ratio", "/ratio"},
                           {"skip_reason", "/skip_reason"}});

/// Step time and memory of every so-and-so-many layouts.
Json cloud_of(const Json& layouts) {
  const std::size_t stride = layouts.size() / cloud_size + 1;
  Json cloud = Json::array();
  for (std::size_t i = 0; i < layouts.size(); i += stride) {
    cloud.push_back(
        {value_at(layouts[i], "/step_time_s"), value_at(layouts[i], "/memory_peak_bytes")});
  }
  return cloud;
}

void shorten_plan(Json& plan) {
  // A new key moves the others of an ordered document: no reference into it would stay good.
  const Json layouts = std::move(plan["layouts"]);
  Json best = Json::array();
  for (std::size_t i = 0; i < std::min(compared_layouts, layouts.size()); ++i) {
    best.push_back({{"layout", value_at(layouts[i], "/layout")},
                    {"breakdown_s", value_at(layouts[i], "/breakdown_s")},
                    {"step_time_s", value_at(layouts[i], "/step_time_s")},
                    {"slower_because", value_at(layouts[i], "/slower_because")}});
  }
  plan["best"] = std::move(best);
  plan["cloud"] = layouts.size() > most_layouts ? cloud_of(layouts) : Json(nullptr);
  plan["layouts"] = columns_of(layouts, layout_columns, most_layouts);
  plan["pareto"] = columns_of(plan["pareto"], layout_columns, most_layouts);
}

void shorten_trace(Json& trace) {
  Json slices = Json::array();
  Json names = Json::array();
  for (Json& event : trace["traceEvents"]) {
    const std::string phase = event.value("ph", "");
    if (phase == "X") {
      slices.push_back(std::move(event));
    } else if (phase == "M" && event.value("name", "").ends_with("_name")) {
      names.push_back(std::move(event));
    }
  }
  trace = {{"slices", columns_of(slices, slice_columns, most_slices)}, {"names", std::move(names)}};
}

void shorten_validation(Json& validation) {
  validation["rows"] = columns_of(validation["rows"], validation_columns, most_rows);
  validation.erase("regret");
  validation.erase("catalog");
  if (auto upper = validation.find("upper_bound"); upper != validation.end()) {
    (*upper)["rows"] = columns_of((*upper)["rows"], bound_columns, most_rows);
  }
}

void shorten(ResultFile& result) {
  Json& document = result.document;
  switch (result.kind) {
    case ResultKind::plan:
      shorten_plan(document);
      break;
    case ResultKind::trace:
      shorten_trace(document);
      break;
    case ResultKind::validation:
      shorten_validation(document);
      break;
    case ResultKind::profile:
      document["kernels"] = columns_of(document["kernels"], kernel_columns, most_records);
      document["collectives"] =
          columns_of(document["collectives"], collective_columns, most_records);
      break;
    case ResultKind::estimate:
    case ResultKind::rehearsal:
    case ResultKind::capacity:
    case ResultKind::forecast:
      break;
  }
}

}  // namespace

Json page_data(std::vector<ResultFile> results) {
  Json data = document_head();
  data["results"] = Json::array();
  for (ResultFile& result : results) {
    try {
      shorten(result);
    } catch (const Json::exception& error) {
      throw InputError(result.name,
                       fmt::format("is not a whole result of its verb: {}", error.what()));
    }
    data["results"].push_back({{"name", std::move(result.name)},
                               {"kind", name_of(result.kind)},
                               {"document", std::move(result.document)}});
  }
  return data;
}

}  // namespace forerun
