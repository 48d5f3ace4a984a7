// torchtitan's job file: a TOML of tables.
#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "estimator/cli/foreign_job.hpp"
#include "estimator/plan/torchtitan_flavors.hpp"
#include "jobs/read_model.hpp"
#include "units/input_error.hpp"
#include "units/text_file.hpp"

namespace forerun {
namespace {

std::string text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) {
    return text->get();
  }
  if (const auto* whole = node.as_integer()) {
    return std::to_string(whole->get());
  }
  if (const auto* number = node.as_floating_point()) {
    return fmt::format("{}", number->get());
  }
  const auto* state = node.as_boolean();
  return state != nullptr && state->get() ? "true" : "false";
}

// "training.seq_len" for every leaf; lists of words as they are, or separated by commas.
void flatten(const toml::table& table,
             const std::string& prefix,
             const std::string& file,
             ForeignSettings& settings) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const auto* inner = node.as_table()) {
      flatten(*inner, name + ".", file, settings);
      continue;
    }
    std::vector<std::string> values;
    if (const auto* list = node.as_array()) {
      for (const toml::node& one : *list) {
        values.push_back(text_of(one));
      }
    } else {
      values.push_back(text_of(node));
    }
    settings.set(
        name, std::move(values), fmt::format("{}:{}: {}", file, key.source().begin.line, name));
  }
}

ForeignSettings torchtitan_settings(std::string_view text, const std::string& file) {
  check_toml_keys(text, file);
  toml::table document;
  try {
    document = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    throw InputError(fmt::format("{}:{}", file, error.source().begin.line), error.description());
  }
  ForeignSettings settings;
  settings.set_file(file);
  flatten(document, "", file, settings);
  return settings;
}

class TorchtitanReader {
 public:
  TorchtitanReader(ForeignSettings settings, std::int64_t devices)
      : settings_(std::move(settings)), devices_(devices) {}

  ForeignJob read() {
    add_model();
    add_degrees();
    add_stated(stated_, settings_.file(), job_);
    add_schedule();
    add_recompute();
    add_precision();
    add("sp", "parallelism.tensor_parallel_degree", "on");
    const std::string rotate =
        settings_.word("parallelism.context_parallel_rotate_method").value_or("allgather");
    if (stated_.context > 1) {
      add("cp-kind",
          "parallelism.context_parallel_rotate_method",
          rotate == "alltoall" ? "ring" : "allgather");
    }
    add_software();
    job_.unread = settings_.unread();
    return std::move(job_);
  }

 private:
  void add(const char* option, const char* name, const std::string& text) {
    job_.entries.push_back({option, {settings_.where(name), text}});
  }

  std::int64_t degree(const char* name) {
    return settings_.whole("parallelism." + std::string(name)).value_or(1);
  }

  void add_model() {
    const std::string name = settings_.word("model.name").value_or("llama3");
    const std::string flavor = settings_.word("model.flavor").value_or("debugmodel");
    if (!settings_.has("model.name") && !settings_.has("model.flavor")) {
      return;
    }
    const auto known = flavor_named(name, flavor);
    if (!known) {
      job_.notes.push_back(fmt::format(
          "model {} of flavor {} is not in the catalog: say which with --model", name, flavor));
      return;
    }
    add("model", "model.flavor", std::string(known->model));
    layers_ = read_model(std::string(known->model)).layers;
  }

  // -1, the default of data_parallel_shard_degree, takes what the devices leave, where they are
  // known.
  [[nodiscard]] std::int64_t sharded_over(std::int64_t stated, std::int64_t replicate) const {
    if (stated > 0 || devices_ == 0) {
      return stated;
    }
    const std::int64_t others = product_of(
        {stated_.tensor, stated_.context, stated_.pipeline, replicate}, settings_.file());
    if (devices_ % others != 0) {
      throw InputError(
          settings_.where("parallelism.data_parallel_shard_degree"),
          fmt::format(
              "{} devices are no multiple of the other degrees' product, {}", devices_, others));
    }
    return devices_ / others;
  }

  void add_degrees() {
    stated_.tensor = degree("tensor_parallel_degree");
    stated_.context = degree("context_parallel_degree");
    stated_.pipeline = degree("pipeline_parallel_degree");
    stated_.expert = degree("expert_parallel_degree");
    stated_.expert_tensor = degree("expert_tensor_parallel_degree");
    const std::int64_t replicate = degree("data_parallel_replicate_degree");
    const std::int64_t shard = sharded_over(
        settings_.whole("parallelism.data_parallel_shard_degree", -1).value_or(-1), replicate);
    stated_.data = shard > 0 ? product_of({replicate, shard}, settings_.file()) : 0;
    add("zero", "parallelism.data_parallel_shard_degree", shard == 1 ? "0" : "3");
    if (shard > 1 && replicate > 1) {
      add("fsdp",
          "parallelism.data_parallel_replicate_degree",
          fmt::format("hsdp:{}", shard * stated_.context));
    } else if (shard < 0 && replicate > 1) {
      job_.notes.emplace_back(
          "data_parallel_replicate_degree is left out: data_parallel_shard_degree does not say "
          "how many ranks a group has");
    }
    const std::string reshard =
        settings_.word("parallelism.fsdp_reshard_after_forward").value_or("default");
    job_.keeps_gathered_weights =
        shard != 1 && (reshard == "never" || (reshard == "default" && stated_.pipeline > 1));
    stated_.sequence = settings_.whole("training.seq_len").value_or(2048);
    const std::int64_t local = settings_.whole("training.local_batch_size")
                                   .value_or(settings_.whole("training.batch_size").value_or(8));
    const auto micro = settings_.whole("parallelism.pipeline_parallel_microbatch_size");
    stated_.micro_batch = stated_.pipeline > 1 ? micro.value_or(1) : local;
    const std::int64_t global = settings_.whole("training.global_batch_size", -1).value_or(-1);
    stated_.batch = global > 0 ? global : product_of({stated_.data, local}, settings_.file());
    stated_.steps = settings_.number("training.steps").value_or(0.0);
    add_chunks();
  }

  // Stages per rank: two for the schedules that fold or loop, else as the layers per stage say
  // (torchtitan/distributed/pipeline_parallel.py).
  void add_chunks() {
    const std::string schedule = schedule_name();
    const bool is_single = schedule == "1F1B" || schedule == "GPipe";
    const auto per_stage = settings_.whole("parallelism.pipeline_parallel_layers_per_stage");
    const std::int64_t first =
        settings_.whole("parallelism.pipeline_parallel_first_stage_less_layers", 0).value_or(1);
    const std::int64_t last =
        settings_.whole("parallelism.pipeline_parallel_last_stage_less_layers", 0).value_or(1);
    if (stated_.pipeline == 1) {
      return;
    }
    stated_.virtual_pipeline = is_single ? 1 : 2;
    if (per_stage && layers_ > 0 && !is_single) {
      const std::int64_t stages = (layers_ + first + last + *per_stage - 1) / *per_stage;
      stated_.virtual_pipeline = std::max<std::int64_t>(1, stages / stated_.pipeline);
    }
  }

  std::string schedule_name() {
    return settings_.word("parallelism.pipeline_parallel_schedule").value_or("1F1B");
  }

  void add_schedule() {
    if (stated_.pipeline == 1) {
      static_cast<void>(schedule_name());
      return;
    }
    const std::string name = schedule_name();
    std::string lower = name;
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    const std::vector<std::pair<std::string, std::string>> known{{"1f1b", "1f1b"},
                                                                 {"gpipe", "gpipe"},
                                                                 {"interleaved1f1b", "interleaved"},
                                                                 {"loopedbfs", "breadth-first"},
                                                                 {"zbvzerobubble", "zb-v"},
                                                                 {"dualpipev", "dualpipe-v"}};
    const auto found = std::ranges::find(known, lower, &std::pair<std::string, std::string>::first);
    if (found == known.end()) {
      job_.notes.push_back("pipeline_parallel_schedule " + name +
                           " is not modelled: priced as interleaved 1F1B");
      return;
    }
    add("schedule", "parallelism.pipeline_parallel_schedule", found->second);
  }

  void add_recompute() {
    const std::string mode = settings_.word("activation_checkpoint.mode").value_or("selective");
    const std::string option =
        settings_.word("activation_checkpoint.selective_ac_option").value_or("2");
    const auto add_policy = [&](const std::string& text) {
      add("recompute", "activation_checkpoint.mode", text);
    };
    if (mode == "none" || mode == "full") {
      add_policy(mode);
      return;
    }
    if (mode == "selective" && option != "op") {
      const auto every = settings_.whole("activation_checkpoint.selective_ac_option").value_or(2);
      const std::int64_t chunks =
          product_of({stated_.pipeline, stated_.virtual_pipeline}, settings_.file());
      const std::int64_t layers = layers_ > 0 ? (layers_ + chunks - 1) / chunks : 0;
      if (every == 1 || layers / every == 0) {
        add_policy(every == 1 ? "full" : "none");
        return;
      }
      add_policy(fmt::format("block:{}", layers / every));
      job_.notes.push_back(
          fmt::format("selective_ac_option {} is priced as the first {} layers of a chunk",
                      every,
                      layers / every));
      return;
    }
    add_policy("layernorm+mlp_act");
    job_.notes.push_back("activation_checkpoint mode " + mode +
                         " by operation is priced as layernorm+mlp_act: it also recomputes every "
                         "second product");
  }

  void add_precision() {
    const std::string type = settings_.word("training.mixed_precision_param").value_or("bfloat16");
    std::string precision = type == "float32" ? "fp32" : "bf16";
    for (const std::string& list : settings_.words("model.converters")) {
      if (list.find("mx") != std::string::npos) {
        precision = "mxfp8";
      } else if (list.find("float8") != std::string::npos) {
        precision = "fp8";
      }
    }
    add("precision",
        settings_.has("model.converters") ? "model.converters" : "training.mixed_precision_param",
        precision);
  }

  void add_software() {
    Software software = *software_preset("torchtitan");
    const bool compiled = settings_.is_on("compile.enable") || settings_.is_on("training.compile");
    if (!compiled) {
      software.fuses_bias = false;
      software.fuses_residual_norm = false;
      software.is_eager = true;
    }
    software.overlaps_tensor_backward = settings_.is_on("parallelism.enable_async_tensor_parallel");
    job_.software = software;
  }

  ForeignSettings settings_;
  std::int64_t devices_;  // 0: not said
  ForeignJob job_;
  StatedJob stated_;
  std::int64_t layers_ = 0;  // of the model; 0: not known
};

}  // namespace

ForeignJob read_torchtitan_job(std::string_view text,
                               const std::string& where,
                               std::int64_t devices) {
  return TorchtitanReader(torchtitan_settings(text, where), devices).read();
}

}  // namespace forerun
