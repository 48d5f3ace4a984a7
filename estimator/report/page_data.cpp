#include "estimator/report/page_data.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "estimator/profile/build_info.hpp"
#include "estimator/report/collective_fits.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

/// A long list: how many of its elements the page takes at most, and the bytes of one in the page.
struct Room {
  std::size_t most;
  double bytes;
};

constexpr Room layout_room{3'000, 380.0};
constexpr Room cloud_room{15'000, 35.0};
constexpr Room row_room{4'000, 370.0};
constexpr Room slice_room{20'000, 70.0};
constexpr Room record_room{4'000, 260.0};
constexpr Room pair_room{16'000, 110.0};
// Layouts at the head whose breakdown is drawn.
constexpr std::size_t compared_layouts = 8;
// The page stays under 4 MB; its script, its style and short results take the rest.
constexpr double bytes_of_lists = 2.8e6;

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

constexpr auto pair_columns =
    std::to_array<Column>({{"ranks", "/ranks"},
                           {"latency_s", "/latency_s"},
                           {"latency_error", "/latency_error"},
                           {"bandwidth_bytes_per_s", "/bandwidth_bytes_per_s"},
                           {"bandwidth_error", "/bandwidth_error"}});

/// How many elements of a list, where the page takes `share` of what it would take of few results.
std::size_t most_of(const Room& room, double share) {
  return static_cast<std::size_t>(std::ceil(share * static_cast<double>(room.most)));
}

double bytes_in(const Room& room, const Json& list) {
  return room.bytes * static_cast<double>(std::min(list.size(), room.most));
}

/// Of the lists of a result, cut as if it were the only one.
double bytes_of(const ResultFile& result) {
  const Json& document = result.document;
  switch (result.kind) {
    case ResultKind::plan:
      return bytes_in(layout_room, document.at("layouts")) +
             bytes_in(layout_room, document.at("pareto")) +
             (document.at("layouts").size() > layout_room.most
                  ? bytes_in(cloud_room, document.at("layouts"))
                  : 0.0);
    case ResultKind::trace:
      return bytes_in(slice_room, document.at("traceEvents"));
    case ResultKind::validation:
      return bytes_in(row_room, document.at("rows"));
    case ResultKind::profile: {
      const Json measured = document.at("topology").value("measured", Json());
      return bytes_in(record_room, document.at("kernels")) +
             bytes_in(record_room, document.at("collectives")) +
             (measured.is_null() ? 0.0 : bytes_in(pair_room, measured.at("pairs")));
    }
    case ResultKind::estimate:
    case ResultKind::rehearsal:
    case ResultKind::capacity:
    case ResultKind::forecast:
      break;
  }
  return 0.0;
}

/// Step time and memory of every so-and-so-many layouts.
Json cloud_of(const Json& layouts, double share) {
  const std::size_t stride = layouts.size() / most_of(cloud_room, share) + 1;
  Json cloud = Json::array();
  for (std::size_t i = 0; i < layouts.size(); i += stride) {
    cloud.push_back(
        {value_at(layouts[i], "/step_time_s"), value_at(layouts[i], "/memory_peak_bytes")});
  }
  return cloud;
}

void shorten_plan(Json& plan, double share) {
  const std::size_t most = most_of(layout_room, share);
  // A new key moves the others of an ordered document: no reference into it would stay good.
  const Json layouts = std::move(plan["layouts"]);
  Json best = Json::array();
  for (std::size_t i = 0; i < std::min(compared_layouts, layouts.size()); ++i) {
    best.push_back({{"layout", value_at(layouts[i], "/layout")},
                    {"batch", value_at(layouts[i], "/batch")},
                    {"breakdown_s", value_at(layouts[i], "/breakdown_s")},
                    {"step_time_s", value_at(layouts[i], "/step_time_s")},
                    {"slower_because", value_at(layouts[i], "/slower_because")}});
  }
  plan["best"] = std::move(best);
  plan["cloud"] = layouts.size() > most ? cloud_of(layouts, share) : Json(nullptr);
  plan["layouts"] = columns_of(layouts, layout_columns, most);
  plan["pareto"] = columns_of(plan["pareto"], layout_columns, most);
}

void shorten_trace(Json& trace, double share) {
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
  trace = {{"slices", columns_of(slices, slice_columns, most_of(slice_room, share))},
           {"names", std::move(names)}};
}

void shorten_validation(Json& validation, double share) {
  const std::size_t most = most_of(row_room, share);
  validation["rows"] = columns_of(validation["rows"], validation_columns, most);
  validation.erase("regret");
  validation.erase("catalog");
  if (auto upper = validation.find("upper_bound"); upper != validation.end()) {
    (*upper)["rows"] = columns_of((*upper)["rows"], bound_columns, most);
  }
}

void shorten_profile(Json& profile, double share) {
  const std::size_t most = most_of(record_room, share);
  profile["collective_fits"] = collective_fits(profile["collectives"]);
  profile["kernels"] = columns_of(profile["kernels"], kernel_columns, most);
  profile["collectives"] = columns_of(profile["collectives"], collective_columns, most);
  if (Json& measured = profile["topology"]["measured"]; !measured.is_null()) {
    measured["pairs"] = columns_of(measured["pairs"], pair_columns, most_of(pair_room, share));
  }
}

void shorten(ResultFile& result, double share) {
  Json& document = result.document;
  switch (result.kind) {
    case ResultKind::plan:
      shorten_plan(document, share);
      break;
    case ResultKind::trace:
      shorten_trace(document, share);
      break;
    case ResultKind::validation:
      shorten_validation(document, share);
      break;
    case ResultKind::profile:
      shorten_profile(document, share);
      break;
    case ResultKind::estimate:
    case ResultKind::rehearsal:
    case ResultKind::capacity:
    case ResultKind::forecast:
      break;
  }
}

/// `use` of a result; InputError with its name where that lacks what its verb writes.
template <typename Use>
auto of_whole_result(ResultFile& result, Use use) {
  try {
    return use(result);
  } catch (const Json::exception& error) {
    throw InputError(result.name,
                     fmt::format("is not a whole result of its verb: {}", error.what()));
  }
}

}  // namespace

Json page_data(std::vector<ResultFile> results) {
  Json data = document_head();
  data["results"] = Json::array();
  double wanted = 0.0;
  for (ResultFile& result : results) {
    wanted += of_whole_result(result, bytes_of);
  }
  const double share = wanted > bytes_of_lists ? bytes_of_lists / wanted : 1.0;
  for (ResultFile& result : results) {
    of_whole_result(result, [share](ResultFile& whole) { shorten(whole, share); });
    data["results"].push_back({{"name", std::move(result.name)},
                               {"kind", name_of(result.kind)},
                               {"document", std::move(result.document)}});
  }
  return data;
}

}  // namespace forerun
