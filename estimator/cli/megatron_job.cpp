// Megatron-LM's arguments, bare or in the script that starts it.
#include <algorithm>

#include <fmt/format.h>

#include "estimator/cli/foreign_job.hpp"
#include "estimator/cli/megatron_stages.hpp"
#include "estimator/cli/shell_words.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

bool is_option(std::string_view word) {
  return word.size() > 2 && word.starts_with("--");
}

// "--name value ..." and "--name=value", underscores as dashes (torchrun takes both).
ForeignSettings megatron_settings(const std::vector<ShellWord>& words, const std::string& file) {
  ForeignSettings settings;
  settings.set_file(file);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!is_option(words[i].text)) {
      continue;
    }
    std::string name = words[i].text.substr(2);
    std::vector<std::string> values;
    const std::size_t equals = name.find('=');
    if (equals != std::string::npos) {
      values.push_back(name.substr(equals + 1));
      name.resize(equals);
    }
    const std::string where = fmt::format("{}:{}: --{}", file, words[i].line, name);
    std::ranges::replace(name, '_', '-');
    while (i + 1 < words.size() && !is_option(words[i + 1].text)) {
      values.push_back(words[++i].text);
    }
    settings.set(name, std::move(values), where);
  }
  return settings;
}

StatedJob stated_of(ForeignSettings& settings) {
  StatedJob stated;
  stated.tensor = settings.whole("tensor-model-parallel-size").value_or(1);
  stated.context = settings.whole("context-parallel-size").value_or(1);
  stated.pipeline = settings.whole("pipeline-model-parallel-size").value_or(1);
  stated.virtual_pipeline = settings.whole("num-virtual-stages-per-pipeline-rank").value_or(1);
  if (const auto per_chunk = settings.whole("num-layers-per-virtual-pipeline-stage")) {
    const std::int64_t layers = settings.needed("num-layers", "the number of layers");
    stated.virtual_pipeline = std::max<std::int64_t>(1, layers / stated.pipeline / *per_chunk);
  }
  stated.expert = settings.whole("expert-model-parallel-size").value_or(1);
  const auto expert_tensor = settings.whole("expert-tensor-parallel-size");
  if (settings.has("num-experts")) {
    stated.expert_tensor = expert_tensor.value_or(stated.tensor);
  }
  stated.devices = product_of(
      {settings.whole("nproc-per-node").value_or(0), settings.whole("nnodes").value_or(1)},
      settings.where("nnodes"));
  stated.micro_batch = settings.whole("micro-batch-size").value_or(1);
  stated.batch = settings.whole("global-batch-size").value_or(0);
  stated.sequence = settings.whole("seq-length").value_or(0);
  stated.steps = settings.number("train-iters").value_or(0.0);
  stated.samples = settings.number("train-samples").value_or(0.0);
  return stated;
}

class MegatronReader {
 public:
  MegatronReader(ForeignSettings settings, std::int64_t devices)
      : settings_(std::move(settings)), devices_(devices) {}

  ForeignJob read() {
    StatedJob stated = stated_of(settings_);
    stated.devices = devices_ > 0 ? devices_ : stated.devices;
    add_stated(stated, settings_.file(), job_);
    add_precision();
    add_sharding(stated);
    add_overlap();
    if (const auto recompute = megatron_recompute(settings_, job_.notes)) {
      add("recompute", "recompute-granularity", *recompute);
    }
    add("sp", "sequence-parallel", settings_.is_on("sequence-parallel") ? "on" : "off");
    add_context();
    if (const auto split = megatron_stage_split(settings_, stated)) {
      add("stage-layers", split->name, split->text);
    }
    add_offload();
    if (settings_.has("num-layers")) {
      job_.model = megatron_model(settings_, job_.notes);
    }
    job_.unread = settings_.unread();
    return std::move(job_);
  }

 private:
  void add(const char* option, const char* name, const std::string& text) {
    job_.entries.push_back({option, {settings_.where(name), text}});
  }

  void add_precision() {
    const auto fp8 = settings_.word("fp8-format");
    const std::string recipe = settings_.word("fp8-recipe").value_or("delayed");
    const bool bf16 = settings_.is_on("bf16");
    const bool fp16 = settings_.is_on("fp16");
    if (fp8) {
      add("precision", "fp8-format", recipe == "mxfp8" ? "mxfp8" : "fp8");
      if (settings_.is_on("fp8-param-gather")) {
        add("fp8-param-gather", "fp8-param-gather", "on");
      }
      if (recipe == "blockwise") {
        job_.notes.emplace_back("fp8-recipe blockwise is priced as fp8 scaled by tensor");
      }
    } else {
      add("precision", bf16 ? "bf16" : "fp16", bf16 ? "bf16" : fp16 ? "fp16" : "fp32");
    }
  }

  void add_sharding(const StatedJob& stated) {
    const bool fsdp = settings_.is_on("use-megatron-fsdp") || settings_.is_on("use-custom-fsdp");
    const bool torch_fsdp = settings_.is_on("use-torch-fsdp2");
    const bool distributed = settings_.is_on("use-distributed-optimizer");
    const std::string strategy =
        settings_.word("data-parallel-sharding-strategy").value_or("optim_grads_params");
    const auto copies = settings_.whole("num-distributed-optimizer-instances");
    const char* stage = distributed ? "1" : "0";
    if (torch_fsdp || (fsdp && strategy == "optim_grads_params")) {
      stage = "3";
    } else if (fsdp) {
      stage = strategy == "optim_grads" ? "2" : strategy == "optim" ? "1" : "0";
    }
    add("zero", fsdp ? "data-parallel-sharding-strategy" : "use-distributed-optimizer", stage);
    if (copies && *copies > 1 && stage[0] == '3' && stated.devices > 0) {
      const std::int64_t replicas = stated.devices / stated.tensor / stated.pipeline;
      add("fsdp",
          "num-distributed-optimizer-instances",
          fmt::format("hsdp:{}", replicas / *copies));
    }
  }

  // The switch of ours is for all communication; Megatron's are one by one.
  void add_overlap() {
    Software software = *software_preset("megatron-core");
    software.overlaps_gradient_reduce = settings_.is_on("overlap-grad-reduce");
    software.overlaps_parameter_gather = settings_.is_on("overlap-param-gather");
    software.dropout = settings_.number("hidden-dropout").value_or(0.1) > 0.0;
    if (settings_.is_on("no-gradient-accumulation-fusion")) {
      software.fuses_gradient_accumulation = false;
    }
    const bool no_messages = settings_.is_on("no-overlap-p2p-communication");
    const bool tensor = settings_.is_on("tp-comm-overlap");
    if (no_messages && !software.overlaps_gradient_reduce && !tensor) {
      add("overlap", "no-overlap-p2p-communication", "off");
    }
    job_.software = software;
  }

  void add_context() {
    const auto kind = settings_.word("cp-comm-type");
    if (!kind) {
      return;
    }
    if (kind == "p2p" || kind == "a2a" || kind == "allgather" || kind == "all_gather") {
      add("cp-kind",
          "cp-comm-type",
          kind == "p2p"   ? "ring"
          : kind == "a2a" ? "ulysses"
                          : "allgather");
    } else {
      job_.notes.push_back("cp-comm-type " + *kind + " is priced as p2p");
    }
  }

  // The optimizer's state; a part of it is not modelled.
  void add_offload() {
    const double share = settings_.number("optimizer-offload-fraction").value_or(1.0);
    if (!settings_.is_on("optimizer-cpu-offload")) {
      return;
    }
    add("offload", "optimizer-cpu-offload", "optimizer");
    if (share != 1.0) {
      job_.notes.push_back(
          fmt::format("optimizer-offload-fraction {:g} is priced as 1: all of the state", share));
    }
  }

  ForeignSettings settings_;
  std::int64_t devices_;
  ForeignJob job_;
};

}  // namespace

ForeignJob read_megatron_job(std::string_view text,
                             const std::string& where,
                             std::int64_t devices) {
  const ShellReading reading = read_shell(text, where);
  const auto words = arguments_of(reading);
  if (words.empty()) {
    throw InputError(where, "holds no --options (expected Megatron-LM's arguments)");
  }
  ForeignJob job = MegatronReader(megatron_settings(words, where), devices).read();
  job.blocks_launches = reading.blocks_launches;
  for (const std::string& note : reading.notes) {
    job.notes.push_back(note + " is not followed, what depends on it is left out");
  }
  return job;
}

}  // namespace forerun
