#include "estimator/profile/record_json.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <nlohmann/json.hpp>

#include "estimator/profile/profile_json.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto flag_names = std::to_array<std::pair<bool Timing::*, const char*>>({
    {&Timing::is_unsettled, "unsettled"},
    {&Timing::is_drifting, "drifting"},
    {&Timing::is_spread, "spread"},
});

Json flags_of(const Timing& timing) {
  Json flags = Json::array();
  for (const auto& [member, name] : flag_names) {
    if (timing.*member) {
      flags.push_back(name);
    }
  }
  return flags;
}

template <typename Record>
auto times_of(Record& record) {
  return std::array{std::pair{"back_to_back_s", &record.back_to_back},
                    std::pair{"in_place_s", &record.in_place},
                    std::pair{"own_estimate_s", &record.own_estimate}};
}

template <typename Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// Present and not null.
bool is_given(const Json& line, const char* name) {
  const auto found = line.find(name);
  return found != line.end() && !found->is_null();
}

}  // namespace

Seconds seconds_at(const Json& object, const char* key) {
  return object.at(key).get<double>() * unit::second;
}

std::int64_t whole_of(const Json& value) {
  constexpr std::int64_t most = std::int64_t{1} << 53U;
  // Each of the library's two kinds of whole numbers is compared as its own.
  const bool is_small = value.is_number_unsigned()
                            ? value.get<std::uint64_t>() <= std::uint64_t{most}
                            : value.is_number_integer() && value.get<std::int64_t>() >= -most;
  if (!is_small) {
    std::string written = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    constexpr std::size_t longest = 40;
    if (written.size() > longest) {
      written.resize(longest);
      written += "...";
    }
    throw InputError("profile", written + " stands where a whole number up to 2^53 is expected");
  }
  return value.get<std::int64_t>();
}

std::int64_t whole_at(const Json& object, const char* key) {
  return whole_of(object.at(key));
}

Json timing_json(std::string key, const Timing& timing) {
  return {{"key", std::move(key)},
          {"median_s", timing.median.in(unit::second)},
          {"low_s", timing.low.in(unit::second)},
          {"high_s", timing.high.in(unit::second)},
          {"least_s", timing.least.in(unit::second)},
          {"p95_s", timing.p95.in(unit::second)},
          {"samples", timing.samples},
          {"rank_spread", timing.rank_spread},
          {"mad_s", timing.mad.in(unit::second)},
          {"flags", flags_of(timing)}};
}

Timing timing_from(const Json& line) {
  Timing timing{seconds_at(line, "median_s"),
                seconds_at(line, "low_s"),
                seconds_at(line, "high_s"),
                seconds_at(line, "least_s"),
                seconds_at(line, "p95_s"),
                whole_at(line, "samples"),
                line.at("rank_spread").get<double>()};
  timing.mad = line.value("mad_s", 0.0) * unit::second;
  const auto flags = line.value("flags", std::vector<std::string>());
  for (const auto& [member, name] : flag_names) {
    timing.*member = std::ranges::find(flags, name) != flags.end();
  }
  for (const double median : line.value("rank_medians_s", std::vector<double>())) {
    timing.rank_medians.push_back(median * unit::second);
  }
  return timing;
}

CollectiveRecord collective_record(const CollectiveKey& key, const Json& line) {
  CollectiveRecord record{key, timing_from(line)};
  for (const auto& [name, time] : times_of(record)) {
    if (is_given(line, name)) {
      *time = seconds_at(line, name);
    }
  }
  if (is_given(line, "communicators")) {
    record.communicators = whole_at(line, "communicators");
  }
  if (is_given(line, "communicator_spread")) {
    record.communicator_spread = line.at("communicator_spread").get<double>();
  }
  if (is_given(line, "wrong")) {
    record.wrong = whole_at(line, "wrong");
  }
  if (is_given(line, "in_place_wrong")) {
    record.in_place_wrong = whole_at(line, "in_place_wrong");
  }
  return record;
}

Json to_json(const CollectiveRecord& record) {
  Json line = timing_json(text_of(record.key), record.timing);
  for (const auto& [name, time] : times_of(record)) {
    line[name] = *time ? Json((*time)->in(unit::second)) : Json(nullptr);
  }
  // nccl-tests' definitions: size over time, and that times what the wire carries of it.
  const Seconds time = record.back_to_back.value_or(record.timing.median);
  const double per_second = 1.0 / time.in(unit::second);
  line["algbw_bytes_per_s"] = static_cast<double>(record.key.bytes) * per_second;
  line["busbw_bytes_per_s"] = wire_bytes(record.key) * per_second;
  line["communicators"] = record.communicators;
  line["communicator_spread"] = or_null(record.communicator_spread);
  line["wrong"] = or_null(record.wrong);
  line["in_place_wrong"] = or_null(record.in_place_wrong);
  return line;
}

Json to_json(const OverlapPoint& point) {
  const SharedSpeed speed = shared_speed(point);
  const auto slowdown = [](double share) {
    return share > 0.0 ? Json(1.0 / share) : Json(nullptr);
  };
  return {{"compute", name_of(point.compute)},
          {"collective", name_of(point.op)},
          {"bytes", point.bytes},
          {"compute_alone_s", point.compute_alone.in(unit::second)},
          {"collective_alone_s", point.collective_alone.in(unit::second)},
          {"compute_beside_s", point.compute_beside.in(unit::second)},
          {"both_s", point.both.in(unit::second)},
          {"compute_slowdown", slowdown(speed.compute)},
          {"collective_slowdown", slowdown(speed.collective)},  // null: it stands still
          {"emulated", point.is_emulated}};
}

OverlapPoint overlap_point(const Json& line) {
  const auto compute = overlap_compute_from(line.at("compute").get<std::string>());
  const auto op = collective_from(line.at("collective").get<std::string>());
  if (!compute || !op) {
    throw InputError("profile", "an overlap names no computation or collective of this build");
  }
  OverlapPoint point{*compute,
                     *op,
                     whole_at(line, "bytes"),
                     seconds_at(line, "compute_alone_s"),
                     seconds_at(line, "collective_alone_s"),
                     seconds_at(line, "compute_beside_s"),
                     seconds_at(line, "both_s")};
  point.is_emulated = line.value("emulated", false);
  for (const Seconds time :
       {point.compute_alone, point.collective_alone, point.compute_beside, point.both}) {
    if (time <= Seconds() || point.bytes < 1) {
      throw InputError("profile", "a time or size of an overlap is not above zero");
    }
  }
  return point;
}

}  // namespace forerun
