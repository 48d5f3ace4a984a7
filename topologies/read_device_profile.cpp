// From TOML to DeviceProfile: which keys there are, and what must hold between them.
#include <algorithm>

#include <fmt/format.h>

#include "topologies/catalog_profile.hpp"
#include "topologies/device_profile.hpp"

namespace forerun {

std::span<const CatalogFile> catalog_device_files();

namespace {

double required_number(const ClusterTable& keys, std::string_view key, double low, double high) {
  const auto value = keys.optional_number(key, low, high);
  if (!value) {
    keys.fail(key, fmt::format("the table has no key '{}', which is required", key));
  }
  return *value;
}

std::vector<double> read_axis(const ClusterTable& keys, std::string_view key) {
  std::vector<double> axis = keys.numbers(key, 1.0, no_limit);
  if (axis.size() < 2 || !std::ranges::is_sorted(axis, std::ranges::less_equal())) {
    keys.fail(key, fmt::format("'{}' must hold at least two sizes, in ascending order", key));
  }
  return axis;
}

GemmTable read_gemm(const toml::table& table, const std::string& file) {
  const ClusterTable keys(table,
                          "[[gemm]]",
                          file,
                          {"type",
                           "launch",
                           "flop_fraction",
                           "byte_fraction",
                           "quantise_launch",
                           "quantise_bytes_per_element",
                           "error",
                           "error_from_512_rows",
                           "left_out",
                           "points",
                           "source",
                           "m",
                           "n",
                           "k",
                           "utilisation"});
  GemmTable gemm;
  const auto type = data_type_from(keys.text("type"));
  if (!type) {
    keys.fail("type", R"('type' must be a number format such as "bf16" or "fp8_e4m3")");
  }
  gemm.type = *type;
  gemm.launch = keys.time("launch");
  gemm.flop_fraction = keys.fraction("flop_fraction");
  gemm.byte_fraction = keys.fraction("byte_fraction");
  if (const auto each = keys.optional_number("quantise_bytes_per_element", 0.0, no_limit)) {
    gemm.quantise_bytes_per_element = *each;
    gemm.quantise_launch = keys.time("quantise_launch");
  }
  gemm.m = read_axis(keys, "m");
  gemm.n = read_axis(keys, "n");
  gemm.k = read_axis(keys, "k");
  constexpr double least = 1e-3;
  gemm.utilisation = keys.numbers("utilisation", least, 1.0 / least);
  const std::size_t corners = gemm.m.size() * gemm.n.size() * gemm.k.size();
  if (gemm.utilisation.size() != corners) {
    keys.fail("utilisation",
              fmt::format("'utilisation' holds {} numbers: expected one for each m, n and k, {}",
                          gemm.utilisation.size(),
                          corners));
  }
  gemm.error = required_number(keys, "error", 0.0, 1.0);
  gemm.source = keys.text("source");
  return gemm;
}

LayoutFactors read_layouts(const toml::table& table, const std::string& file) {
  const ClusterTable keys(
      table,
      "[layouts]",
      file,
      {"dgrad", "wgrad", "wgrad_accumulate", "sums_on_top", "error", "points", "source"});
  constexpr double low = 0.1;
  constexpr double high = 10.0;
  return {.dgrad = required_number(keys, "dgrad", low, high),
          .wgrad = required_number(keys, "wgrad", low, high),
          .wgrad_accumulate = required_number(keys, "wgrad_accumulate", low, high),
          .sums_on_top = keys.optional_number("sums_on_top", 0.0, high),
          .error = required_number(keys, "error", 0.0, 1.0),
          .source = keys.text("source")};
}

// One of two words; throws naming both.
bool is_first(const ClusterTable& keys,
              std::string_view key,
              std::string_view first,
              std::string_view second) {
  const std::string word = keys.text(key);
  if (word != first && word != second) {
    keys.fail(key, fmt::format(R"('{}' is "{}": expected "{}" or "{}")", key, word, first, second));
  }
  return word == first;
}

AttentionRate read_attention(const toml::table& table, const std::string& file) {
  const ClusterTable keys(table,
                          "[[attention]]",
                          file,
                          {"method",
                           "direction",
                           "mask",
                           "head_size",
                           "flop_fraction",
                           "half_length",
                           "half_rows",
                           "launch",
                           "error",
                           "points",
                           "source"});
  return {.method = keys.optional_text("method").value_or(""),
          .is_forward = is_first(keys, "direction", "forward", "backward"),
          .is_causal = is_first(keys, "mask", "causal", "full"),
          .head_size = static_cast<double>(keys.count("head_size")),
          .flop_fraction = keys.fraction("flop_fraction"),
          .half_length = required_number(keys, "half_length", 0.0, no_limit),
          .half_rows = required_number(keys, "half_rows", 0.0, no_limit),
          .launch = keys.time("launch"),
          .error = required_number(keys, "error", 0.0, 1.0),
          .source = keys.text("source")};
}

RowsRate read_rows(const ClusterTable& keys) {
  return {.kernels = {},
          .byte_fraction = keys.fraction("byte_fraction"),
          .launch = keys.time("launch"),
          .error = required_number(keys, "error", 0.0, 1.0),
          .source = keys.text("source")};
}

DeviceProfile device_profile_from(const ClusterTable& keys, const std::string& file) {
  DeviceProfile profile;
  profile.name = keys.text("name");
  profile.date = keys.text("date");
  for (const toml::table* const table : keys.optional_tables("gemm")) {
    profile.gemm.push_back(read_gemm(*table, file));
  }
  if (const toml::table* const table = keys.optional_table("layouts")) {
    profile.layouts = read_layouts(*table, file);
  }
  for (const toml::table* const table : keys.optional_tables("attention")) {
    profile.attention.push_back(read_attention(*table, file));
  }
  for (const toml::table* const table : keys.optional_tables("rows")) {
    const ClusterTable rows(*table,
                            "[[rows]]",
                            file,
                            {"kernels", "byte_fraction", "launch", "error", "points", "source"});
    profile.rows.push_back(read_rows(rows));
    profile.rows.back().kernels = rows.texts("kernels");
  }
  if (const toml::table* const table = keys.optional_table("memory")) {
    profile.memory = read_rows(
        ClusterTable(*table, "[memory]", file, {"byte_fraction", "launch", "error", "source"}));
  }
  return profile;
}

ClusterTable device_keys(const toml::table& root, const std::string& file) {
  return {root,
          "the file",
          file,
          {"name",
           "date",
           "like",
           "like_error",
           "like_source",
           "gemm",
           "layouts",
           "attention",
           "rows",
           "memory"}};
}

template <typename Section>
void take_over(std::vector<Section>& own, std::vector<Section> others, const Likeness& like) {
  if (own.empty()) {
    own = std::move(others);
    for (Section& section : own) {
      section.error = together(section.error, like.error);
    }
  }
}

template <typename Section>
void take_over(std::optional<Section>& own, std::optional<Section> other, const Likeness& like) {
  if (!own && other) {
    own = std::move(other);
    own->error = together(own->error, like.error);
  }
}

DeviceProfile own_sections(std::string_view name) {
  return read_device_profile_text(catalog_text(catalog_device_files(), name, "profile"),
                                  std::string(name) + ".toml");
}

}  // namespace

DeviceProfile read_device_profile_text(std::string_view text, const std::string& where) {
  const toml::table root = parse_toml(text, where);
  return device_profile_from(device_keys(root, where), where);
}

DeviceProfile read_device_profile(std::string_view name) {
  const std::string file = std::string(name) + ".toml";
  const toml::table root = parse_toml(catalog_text(catalog_device_files(), name, "profile"), file);
  const ClusterTable keys = device_keys(root, file);
  DeviceProfile profile = device_profile_from(keys, file);
  if (const auto like = read_likeness(keys)) {
    DeviceProfile other = own_sections(like->name);
    take_over(profile.gemm, std::move(other.gemm), *like);
    take_over(profile.layouts, std::move(other.layouts), *like);
    take_over(profile.attention, std::move(other.attention), *like);
    take_over(profile.rows, std::move(other.rows), *like);
    take_over(profile.memory, std::move(other.memory), *like);
  }
  return profile;
}

std::vector<std::string> catalog_device_profiles() {
  std::vector<std::string> names;
  for (const CatalogFile& file : catalog_device_files()) {
    names.emplace_back(file.name);
  }
  return names;
}

}  // namespace forerun
