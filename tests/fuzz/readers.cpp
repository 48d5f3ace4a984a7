#include "tests/fuzz/readers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include "comm/collective_key.hpp"
#include "estimator/cli/foreign_job.hpp"
#include "estimator/cli/job_file.hpp"
#include "estimator/forecast/scenario.hpp"
#include "estimator/import/imported_log.hpp"
#include "estimator/profile/journal.hpp"
#include "estimator/profile/price_book.hpp"
#include "estimator/profile/profile_json.hpp"
#include "estimator/report/page_data.hpp"
#include "estimator/report/result_file.hpp"
#include "estimator/validate/csv_table.hpp"
#include "estimator/validate/training_log.hpp"
#include "jobs/parallel_layout.hpp"
#include "jobs/parameter_count.hpp"
#include "jobs/read_model.hpp"
#include "jobs/stage_split.hpp"
#include "kernels/kernel_cost.hpp"
#include "kernels/kernel_key.hpp"
#include "kernels/valid_key.hpp"
#include "topologies/read_cluster.hpp"
#include "units/input_error.hpp"
#include "units/quantity_text.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

void take_model(std::string_view text) {
  const ModelShape model = read_model_text(text, "config.json");
  const ParameterCount count = count_parameters(model);
  require(count.total > 0 && count.active > 0 && count.active <= count.total,
          "a model that is read has parameters, and activates some of them");
  (void)kind_of(model, model.layers - 1);
}

void take_cluster(std::string_view text) {
  const Cluster cluster = read_cluster_text(text, "cluster.toml");
  require(cluster.max_devices >= 1 && !cluster.levels.empty(), "a cluster has devices and links");
}

void take_layout(std::string_view text) {
  if (const auto split = stage_split_from(text)) {
    constexpr std::int64_t layers = 10;
    constexpr std::int64_t chunks = 4;
    require(stage_split_from(text_of(*split)) == split,
            "a split of layers comes back from its text");
    if (!unsuitable_because(*split, layers, chunks)) {
      const ChunkLayers last = assign_layers(layers, chunks, *split).back();
      require(last.first + last.count == layers, "a split holds every layer");
    }
    return;
  }
  constexpr std::int64_t devices = 64;
  for (const ParallelLayout& layout : parse_layouts(text, devices)) {
    require(world_size(layout) == devices, "a layout has as many ranks as devices");
  }
}

void take_quantity(std::string_view text) {
  const auto is_sane = [](const auto& value) {
    return !value || (*value >= decltype (*value - *value)() && *value == *value);
  };
  require(is_sane(parse_count(text)) && is_sane(parse_bytes(text)) && is_sane(parse_rate(text)) &&
              is_sane(parse_time(text)) && is_sane(parse_flop_rate(text)) &&
              is_sane(parse_power(text)),
          "a quantity is a number from 0 on");
  const auto whole = parse_whole(text, 1);
  require(!whole || *whole >= 1, "a whole number of at least 1 is one");
}

void take_key(std::string_view text) {
  if (const auto key = kernel_key_from(text)) {
    require(kernel_key_from(text_of(*key)) == key, "a kernel's text reads back");
    if (!contradiction_in(*key)) {
      (void)hardware_flops(*key);
      (void)minimum_traffic(*key);
    }
  }
  if (const auto key = collective_key_from(text)) {
    require(collective_key_from(text_of(*key)) == key, "a collective's text reads back");
  }
}

void take_job(std::string_view text) {
  static const auto table = option_table();
  for (const JobFileEntry& entry : read_job_text(text, "job.toml", table)) {
    Options options;
    std::ranges::find(table, entry.name, &OptionRow::name)->assign(options, entry.value);
  }
}

// What other frameworks state, as options and as a model.
void take_foreign(JobFormat format, std::string_view text) {
  static const auto table = option_table();
  const ForeignJob job = read_foreign_job(format, text, "job");
  for (const JobFileEntry& entry : job.entries) {
    Options options;
    std::ranges::find(table, entry.name, &OptionRow::name)->assign(options, entry.value);
  }
  if (job.model) {
    require(count_parameters(*job.model).total > 0, "a model that is stated has parameters");
  }
}

void take_megatron(std::string_view text) {
  take_foreign(JobFormat::megatron, text);
}

void take_torchtitan(std::string_view text) {
  take_foreign(JobFormat::torchtitan, text);
}

void take_nemo(std::string_view text) {
  take_foreign(JobFormat::nemo, text);
}

void take_training_log(std::string_view text) {
  const TrainingLog log = read_training_log_text(text, "train.log");
  for (const LogIteration& one : log.iterations) {
    require(!one.time || std::isfinite(one.time->in(unit::second)),
            "an iteration's time is finite");
  }
  for (const auto& [name, time] : log.timers) {
    require(std::isfinite(time.in(unit::second)), "a timer's time is finite");
  }
}

// Whatever the fields of a result are, a page is made of them.
void take_result(std::string_view text) {
  (void)page_data({read_result_text(text, "result.json")}).dump();
}

// What is read is written so that it reads back, and prices something finite or nothing.
void take_profile(std::string_view text) {
  const Profile profile = read_profile_text(text, "profile.json");
  const std::string written = to_json(profile).dump();
  require(to_json(read_profile_text(written, "profile.json")).dump() == written,
          "a profile's text reads back");
  const PriceList prices = prices_from(profile, Strictness::any_tier);
  for (const KernelRecord& record : profile.kernels) {
    require(std::isfinite(prices.kernel(record.key).time.in(unit::second)), "a price is finite");
  }
}

void take_journal(std::string_view text) {
  Profile profile;
  const nlohmann::ordered_json machine{{"device", "a CPU"}, {"ranks", 2}};
  resume_records({std::string(text), ""}, "profile.json", machine, profile);
  (void)to_json(profile).dump();
}

void take_table(std::string_view text) {
  const CsvTable table = CsvTable::parse(std::string(text), "table.csv");
  for (std::size_t row = 0; row < table.rows(); ++row) {
    for (const std::string& column : table.header()) {
      require(table.place(row).starts_with("table.csv:"), "a row has a place");
      if (table.text(row, column).empty() || table.number(row, column)) {
        (void)table.needed_count(row, column);
      }
    }
  }
}

void take_nccl_tests(std::string_view text) {
  (void)read_nccl_tests_text(text, "all_reduce_perf.log", {8, 4});
}

void take_osu(std::string_view text) {
  (void)read_osu_text(text, "osu.log", {8, 4});
}

void take_scenario(std::string_view text) {
  (void)read_scenario({"scenario", text});
}

template <void (*take)(std::string_view)>
void or_refused(std::string_view text) {
  try {
    take(text);
  } catch (const InputError& error) {
    require(std::string_view(error.what()).size() > 4, "a refusal says something");
  }
}

constexpr auto all_readers = std::to_array<Reader>({
    {"model", or_refused<take_model>},
    {"cluster", or_refused<take_cluster>},
    {"layout", or_refused<take_layout>},
    {"quantity", or_refused<take_quantity>},
    {"key", or_refused<take_key>},
    {"job", or_refused<take_job>},
    {"megatron", or_refused<take_megatron>},
    {"torchtitan", or_refused<take_torchtitan>},
    {"nemo", or_refused<take_nemo>},
    {"profile", or_refused<take_profile>},
    {"journal", or_refused<take_journal>},
    {"result", or_refused<take_result>},
    {"table", or_refused<take_table>},
    {"training_log", or_refused<take_training_log>},
    {"nccl_tests", or_refused<take_nccl_tests>},
    {"osu", or_refused<take_osu>},
    {"scenario", or_refused<take_scenario>},
});

}  // namespace

std::span<const Reader> readers() {
  return all_readers;
}

void require(bool law, std::string_view what) {
  if (!law) {
    std::cerr << "does not hold: " << what << '\n';
    std::abort();
  }
}

}  // namespace forerun
