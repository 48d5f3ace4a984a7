#include "estimator/validate/public_collectives.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "estimator/validate/csv_table.hpp"
#include "topologies/median.hpp"
#include "units/input_error.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

namespace fs = std::filesystem;

// Letters alone, small: "All-Reduce" and "all_reduce" are one.
std::string letters_of(std::string_view text) {
  std::string letters;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalpha(byte) != 0) {
      letters += static_cast<char>(std::tolower(byte));
    }
  }
  return letters;
}

std::optional<Collective> collective_named(std::string_view name) {
  static const std::map<std::string, Collective> names{
      {"allreduce", Collective::all_reduce},
      {"allgather", Collective::all_gather},
      {"reducescatter", Collective::reduce_scatter},
      {"broadcast", Collective::broadcast},
      {"alltoall", Collective::all_to_all},
      {"sendrecv", Collective::send_recv},
  };
  const auto found = names.find(letters_of(name));
  return found == names.end() ? std::nullopt : std::optional<Collective>(found->second);
}

std::string text_or_empty(const CsvTable& table, std::size_t row, std::string_view column) {
  return table.has(column) ? table.text(row, column) : std::string();
}

std::optional<double> number_or_none(const CsvTable& table,
                                     std::size_t row,
                                     std::string_view column) {
  return table.has(column) ? table.number(row, column) : std::nullopt;
}

// Ranks on a node: by the nodes, else by the GPUs that a node has, else all on one.
GroupShape group_in(const CsvTable& table, std::size_t row) {
  const std::int64_t ranks = table.needed_count(row, "num_gpus");
  std::int64_t together = ranks;
  if (const auto nodes = number_or_none(table, row, "nodes"); nodes && *nodes >= 1.0) {
    const auto whole = static_cast<std::int64_t>(*nodes);
    together = (ranks + whole - 1) / whole;
  } else if (const auto most = number_or_none(table, row, "gpus_per_node"); most && *most >= 1.0) {
    together = std::min(ranks, static_cast<std::int64_t>(*most));
  }
  return {ranks, together, 1};
}

std::optional<Seconds> time_in(const CsvTable& table, std::size_t row, const CollectiveKey& key) {
  if (const auto time = number_or_none(table, row, "time_us"); time && *time > 0.0) {
    return *time * unit::microsecond;
  }
  const BytesPerSecond one = unit::gigabyte / unit::second;
  if (const auto rate = number_or_none(table, row, "algbw_gbps"); rate && *rate > 0.0) {
    return static_cast<double>(key.bytes) * unit::byte / (*rate * one);
  }
  if (const auto rate = number_or_none(table, row, "busbw_gbps"); rate && *rate > 0.0) {
    return wire_bytes(key) * unit::byte / (*rate * one);
  }
  return std::nullopt;
}

double number_at(std::string_view text) {
  double value = 0.0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// "8x50 GB/s per node" or "8x400Gb": a rate per adapter, shared by the ranks of a node.
std::optional<BytesPerSecond> adapters_in(std::string_view text, double ranks_per_node) {
  const std::size_t cross = text.find('x');
  for (std::size_t at = cross; at != std::string_view::npos && at > 0;
       at = text.find('x', at + 1)) {
    std::size_t first = at;
    while (first > 0 && std::isdigit(static_cast<unsigned char>(text[first - 1])) != 0) {
      --first;
    }
    const double count = number_at(text.substr(first, at - first));
    const double rate = number_at(text.substr(at + 1));
    const std::string_view rest = text.substr(at + 1);
    const std::size_t unit_at = rest.find('G');
    if (count > 0.0 && rate > 0.0 && unit_at != std::string_view::npos && unit_at <= 6) {
      const bool is_bits = rest.substr(unit_at, 2) == "Gb";
      return count * rate * (is_bits ? 0.125 : 1.0) / ranks_per_node * unit::gigabyte /
             unit::second;
    }
  }
  return std::nullopt;
}

std::optional<BytesPerSecond> network_in(const CsvTable& table,
                                         std::size_t row,
                                         const GroupShape& group) {
  if (group.ranks_per_node >= group.ranks) {
    return std::nullopt;
  }
  if (const auto rate = number_or_none(table, row, "spec_gbps_per_gpu"); rate && *rate > 0.0) {
    return *rate * unit::gigabyte / unit::second;
  }
  const double devices = number_or_none(table, row, "gpus_per_node")
                             .value_or(static_cast<double>(group.ranks_per_node));
  return adapters_in(text_or_empty(table, row, "interconnect"), devices);
}

void read_row(const CsvTable& table, std::size_t row, PublicCollective& timing) {
  const std::string& name = table.text(row, "collective");
  const auto op = collective_named(name);
  if (!op) {
    timing.skip_reason = "'" + name + "' is not modelled";
    return;
  }
  for (const char* column : {"num_gpus", "payload_bytes"}) {
    if (table.text(row, column).empty()) {
      timing.skip_reason = std::string("no ") + column;
      return;
    }
  }
  timing.key = {
      *op, table.needed_count(row, "payload_bytes"), DataType::bf16, group_in(table, row)};
  const auto time = time_in(table, row, timing.key);
  if (!time) {
    timing.skip_reason = "neither a time nor a bandwidth";
  } else if (timing.key.group.ranks < 2 || timing.key.bytes < 1) {
    timing.skip_reason = "fewer than two ranks or no bytes";
  } else {
    timing.time = *time;
  }
  timing.network = network_in(table, row, timing.key.group);
}

std::vector<PublicCollective> read_common(const CsvTable& table, const std::string& path) {
  std::vector<PublicCollective> timings;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    PublicCollective timing;
    timing.id = table.has("id") ? table.text(row, "id") : table.place(row);
    timing.source = text_or_empty(table, row, "source");
    if (timing.source.empty()) {
      timing.source = fs::path(path).filename().string();
    }
    timing.device = text_or_empty(table, row, "gpu");
    if (timing.device.empty()) {
      timing.device = text_or_empty(table, row, "gpu_family");
    }
    timing.is_switch_reduction_off =
        text_or_empty(table, row, "algo").find("NVLS off") != std::string::npos;
    timing.machine = fmt::format("{}|{}|{}|{}",
                                 path,
                                 timing.source,
                                 timing.device,
                                 timing.is_switch_reduction_off ? "NVLS off" : "");
    if (timing.device.empty()) {
      timing.skip_reason = "no device named";
    } else {
      try {
        read_row(table, row, timing);
      } catch (const InputError& error) {
        timing.skip_reason = error.what();
      }
    }
    timings.push_back(std::move(timing));
  }
  return timings;
}

// "a100_dgx" of "vidur-net-a100_dgx-all_reduce.csv".
std::string vidur_device(const std::string& path) {
  const std::string name = fs::path(path).stem().string();
  const std::string prefix = "vidur-net-";
  const std::string rest = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
  return rest.substr(0, rest.find('-'));
}

std::vector<PublicCollective> read_vidur(const CsvTable& table, const std::string& path) {
  // Repeated rows are gathered.
  std::map<std::tuple<std::string, std::int64_t, std::int64_t, std::int64_t>, std::vector<double>>
      times;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::string& name = table.text(row, "collective");
    times[{name,
           table.needed_count(row, "num_workers"),
           table.needed_count(row, "devices_per_node"),
           table.needed_count(row, "size")}]
        .push_back(table.needed_number(row, fmt::format("time_stats.{}.median", name)));
  }
  const std::string device = vidur_device(path);
  std::vector<PublicCollective> timings;
  for (const auto& [place, milliseconds] : times) {
    const auto& [name, ranks, together, bytes] = place;
    PublicCollective timing;
    timing.id =
        fmt::format("vidur {} {} {} of {} a node, {} B", device, name, ranks, together, bytes);
    timing.source = "vidur-net " + device;
    timing.machine = timing.source;
    timing.device = device;
    const auto op = collective_named(name);
    timing.time = upper_median_of(milliseconds) * unit::millisecond;
    if (!op) {
      timing.skip_reason = "'" + name + "' is not modelled";
    } else if (ranks < 2 || bytes < 1 || !(timing.time > Seconds())) {
      timing.skip_reason = "fewer than two ranks, no bytes or no time";
    } else {
      timing.key = {*op, bytes, DataType::bf16, {ranks, std::min(ranks, together), 1}};
    }
    timings.push_back(std::move(timing));
  }
  return timings;
}

// The number before "gpu" in "vtrain-a100-allreduce-8gpu".
std::int64_t gpus_in_name(const std::string& path) {
  const std::string name = fs::path(path).stem().string();
  const std::size_t last = name.rfind("gpu");
  std::size_t first = last == std::string::npos ? 0 : last;
  while (first > 0 && std::isdigit(static_cast<unsigned char>(name[first - 1])) != 0) {
    --first;
  }
  const auto gpus = last == std::string::npos
                        ? 0
                        : static_cast<std::int64_t>(number_at(name.substr(first, last - first)));
  if (gpus < 2) {
    throw InputError(
        path, "does not say how many GPUs (expected a name like vtrain-a100-allreduce-8gpu.txt)");
  }
  return gpus;
}

std::vector<PublicCollective> read_vtrain(const CsvTable& table, const std::string& path) {
  const std::int64_t ranks = gpus_in_name(path);
  const std::string name = fs::path(path).stem().string();
  const std::string device =
      name.starts_with("vtrain-") ? name.substr(7, name.find('-', 7) - 7) : std::string();
  std::vector<PublicCollective> timings;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    PublicCollective timing;
    timing.source = "vtrain " + device;
    timing.machine = timing.source;
    timing.device = device;
    timing.key = {Collective::all_reduce,
                  table.needed_count(row, "size(B)"),
                  DataType::bf16,
                  {ranks, ranks, 1}};
    timing.time = table.needed_number(row, "time(ns)") * unit::nanosecond;
    timing.id = fmt::format("vtrain {} all_reduce {}, {} B", device, ranks, timing.key.bytes);
    if (timing.key.bytes < 1 || !(timing.time > Seconds())) {
      timing.skip_reason = "no bytes or no time";
    }
    timings.push_back(std::move(timing));
  }
  return timings;
}

enum class Form { none, common, vidur, vtrain };

Form form_of(const CsvTable& table) {
  const auto has_all = [&](std::initializer_list<const char*> columns) {
    return std::ranges::all_of(columns, [&](const char* column) { return table.has(column); });
  };
  if (has_all({"collective", "num_gpus", "payload_bytes"})) {
    return Form::common;
  }
  if (has_all({"collective", "num_workers", "size", "devices_per_node"})) {
    return Form::vidur;
  }
  return has_all({"size(B)", "time(ns)"}) ? Form::vtrain : Form::none;
}

std::vector<fs::path> files_at(const std::string& path) {
  std::vector<fs::path> files;
  if (!fs::is_directory(path)) {
    return {fs::path(path)};
  }
  for (const auto& entry : fs::directory_iterator(path)) {
    const auto extension = entry.path().extension();
    if (entry.is_regular_file() && (extension == ".csv" || extension == ".txt")) {
      files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

std::vector<PublicCollective> read_form(const CsvTable& table, const std::string& path) {
  switch (form_of(table)) {
    case Form::common:
      return read_common(table, path);
    case Form::vidur:
      return read_vidur(table, path);
    case Form::vtrain:
      return read_vtrain(table, path);
    case Form::none:
      return {};
  }
  return {};
}

}  // namespace

std::vector<PublicCollective> read_collective_table(const std::string& path) {
  const CsvTable table = CsvTable::read(path);
  if (form_of(table) == Form::none) {
    throw InputError(path,
                     "is no table of collectives (expected columns collective, num_gpus, "
                     "payload_bytes and time_us, algbw_gbps or busbw_gbps)");
  }
  return read_form(table, path);
}

std::vector<PublicCollective> read_public_collectives(std::span<const std::string> paths) {
  std::vector<PublicCollective> timings;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      std::ranges::move(read_collective_table(path), std::back_inserter(timings));
      continue;
    }
    const std::size_t before = timings.size();
    for (const fs::path& file : files_at(path)) {
      std::ranges::move(read_form(CsvTable::read(file.string()), file.string()),
                        std::back_inserter(timings));
    }
    if (timings.size() == before) {
      throw InputError("--collectives", fmt::format("'{}' holds no table of collectives", path));
    }
  }
  return timings;
}

}  // namespace forerun
