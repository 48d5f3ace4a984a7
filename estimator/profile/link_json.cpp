#include "estimator/profile/link_json.hpp"

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "estimator/profile/record_json.hpp"

namespace forerun {
namespace {

using Json = nlohmann::ordered_json;

template <typename Value>
std::optional<Value> known(const Json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<Value>());
}

}  // namespace

Json links_json(const std::vector<DeviceLink>& links) {
  Json array = Json::array();
  for (const DeviceLink& link : links) {
    array.push_back({{"first", link.first},
                     {"second", link.second},
                     {"path", link.path.empty() ? Json(nullptr) : Json(link.path)},
                     {"nvlinks", link.nvlinks},
                     {"peer_access", link.peer_access ? Json(*link.peer_access) : Json(nullptr)},
                     {"performance_rank",
                      link.performance_rank ? Json(*link.performance_rank) : Json(nullptr)}});
  }
  return array;
}

std::vector<DeviceLink> links_from(const Json& array) {
  std::vector<DeviceLink> links;
  for (const Json& line : array) {
    DeviceLink link;
    link.first = line.at("first").get<std::string>();
    link.second = line.at("second").get<std::string>();
    link.path = known<std::string>(line.at("path")).value_or("");
    link.nvlinks = whole_at(line, "nvlinks");
    link.peer_access = known<bool>(line.at("peer_access"));
    if (!line.at("performance_rank").is_null()) {
      link.performance_rank = static_cast<int>(whole_at(line, "performance_rank"));
    }
    links.push_back(link);
  }
  return links;
}

}  // namespace forerun
