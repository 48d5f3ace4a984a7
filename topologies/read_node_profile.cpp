// From TOML to NodeProfile: which keys there are, and what must hold between them.
#include <algorithm>

#include "topologies/catalog_profile.hpp"
#include "topologies/node_profile.hpp"

namespace forerun {

std::span<const CatalogFile> catalog_node_files();

namespace {

CollectiveCurve read_collective(const toml::table& table, const std::string& file) {
  const ClusterTable keys(
      table,
      "[[collective]]",
      file,
      {"op", "ranks", "latency", "root", "bandwidth", "error", "points", "source"});
  return {.op = keys.text("op"),
          .ranks = keys.count("ranks"),
          .latency = keys.time("latency"),
          .root = keys.time("root"),
          .bandwidth = keys.rate("bandwidth"),
          .error = keys.fraction("error"),
          .source = keys.text("source")};
}

LaunchedCollective read_launched(const toml::table& table, const std::string& file) {
  const ClusterTable keys(table, "[[launched]]", file, {"ranks", "latency", "points", "source"});
  return {
      .ranks = keys.count("ranks"), .latency = keys.time("latency"), .source = keys.text("source")};
}

FabricReach read_fabric(const toml::table& table, const std::string& file) {
  const ClusterTable keys(table, "[[fabric]]", file, {"name", "bandwidth", "efficiency", "source"});
  return {.name = keys.text("name"),
          .bandwidth = keys.rate("bandwidth"),
          .efficiency = keys.fraction("efficiency"),
          .source = keys.text("source")};
}

NodeProfile node_profile_from(const ClusterTable& keys, const std::string& file) {
  NodeProfile profile;
  profile.name = keys.text("name");
  profile.date = keys.text("date");
  for (const toml::table* const table : keys.optional_tables("collective")) {
    profile.collectives.push_back(read_collective(*table, file));
  }
  for (const toml::table* const table : keys.optional_tables("launched")) {
    profile.launched.push_back(read_launched(*table, file));
  }
  std::ranges::sort(profile.launched, {}, &LaunchedCollective::ranks);
  for (const toml::table* const table : keys.optional_tables("fabric")) {
    profile.fabrics.push_back(read_fabric(*table, file));
  }
  return profile;
}

ClusterTable node_keys(const toml::table& root, const std::string& file) {
  return {
      root,
      "the file",
      file,
      {"name", "date", "like", "like_error", "like_source", "collective", "launched", "fabric"}};
}

void take_over(NodeProfile& own, NodeProfile other, const Likeness& like) {
  for (CollectiveCurve& curve : other.collectives) {
    const bool is_known = std::ranges::any_of(own.collectives, [&](const CollectiveCurve& known) {
      return known.op == curve.op && known.ranks == curve.ranks;
    });
    if (!is_known) {
      curve.error = together(curve.error, like.error);
      own.collectives.push_back(std::move(curve));
    }
  }
  if (own.launched.empty()) {
    own.launched = std::move(other.launched);
  }
  if (own.fabrics.empty()) {
    own.fabrics = std::move(other.fabrics);
  }
}

}  // namespace

NodeProfile read_node_profile_text(std::string_view text, const std::string& where) {
  const toml::table root = parse_toml(text, where);
  return node_profile_from(node_keys(root, where), where);
}

NodeProfile read_node_profile(std::string_view name) {
  const std::string file = std::string(name) + ".toml";
  const std::string_view text = catalog_text(catalog_node_files(), name, "node_profile");
  const toml::table root = parse_toml(text, file);
  const ClusterTable keys = node_keys(root, file);
  NodeProfile profile = node_profile_from(keys, file);
  if (const auto like = read_likeness(keys)) {
    take_over(profile,
              read_node_profile_text(catalog_text(catalog_node_files(), like->name, "like"),
                                     like->name + ".toml"),
              *like);
  }
  return profile;
}

std::vector<std::string> catalog_node_profiles() {
  std::vector<std::string> names;
  for (const CatalogFile& file : catalog_node_files()) {
    names.emplace_back(file.name);
  }
  return names;
}

}  // namespace forerun
