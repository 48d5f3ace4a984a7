#include "estimator/report/collective_fits.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "estimator/profile/size_law.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

struct SizedKey {
  std::string curve;
  double bytes = 0.0;
};

/// "all_reduce fp32 bytes=256 ranks=2" as "all_reduce fp32 ranks=2" and 256; nothing without bytes.
std::optional<SizedKey> sized_key(const std::string& key) {
  constexpr std::string_view name = " bytes=";
  const std::size_t start = key.find(name);
  if (start == std::string::npos) {
    return std::nullopt;
  }
  std::int64_t bytes = 0;
  const char* const end = key.data() + key.size();
  const auto [rest, error] = std::from_chars(key.data() + start + name.size(), end, bytes);
  if (error != std::errc() || bytes <= 0) {
    return std::nullopt;
  }
  return SizedKey{key.substr(0, start) + std::string(rest, end), static_cast<double>(bytes)};
}

double mean_error(const SizeLaw& law, const std::vector<SizePoint>& points) {
  double sum = 0.0;
  for (const SizePoint& point : points) {
    sum += std::abs(std::expm1(law.log_seconds(point.log_bytes) - point.log_seconds));
  }
  return sum / static_cast<double>(points.size());
}

}  // namespace

Json collective_fits(const Json& collectives) {
  std::map<std::string, std::vector<SizePoint>> curves;
  for (const Json& record : collectives) {
    const auto key = sized_key(record.at("key").get<std::string>());
    const double median = record.at("median_s").get<double>();
    if (key && median > 0.0 && record.value("busbw_bytes_per_s", Json(0.0)) > Json(0.0)) {
      curves[key->curve].push_back({std::log(key->bytes), std::log(median)});
    }
  }
  Json fits = Json::array();
  for (auto& [curve, points] : curves) {
    std::ranges::sort(points);
    if (const auto law = fit_size_law(points)) {
      fits.push_back({{"curve", curve},
                      {"sizes", points.size()},
                      {"latency_s", law->latency_s},
                      {"seconds_per_byte", law->seconds_per_byte},
                      {"seconds_per_root_byte", law->seconds_per_root_byte},
                      {"error", mean_error(*law, points)}});
    }
  }
  return fits;
}

}  // namespace forerun
