// NeMo's training configuration: trainer and model in YAML, alone or below `training`.
#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "estimator/cli/foreign_job.hpp"
#include "units/input_error.hpp"

namespace forerun {
namespace {

constexpr int deepest = 16;
constexpr int most_values = 10'000;

class Flattener {
 public:
  explicit Flattener(std::string file) : file_(std::move(file)) { settings_.set_file(file_); }

  ForeignSettings flatten(const YAML::Node& root) {
    const YAML::Node training = root["training"];
    const bool is_inner = training.IsDefined() && training.IsMap() && training["model"].IsDefined();
    root_ = is_inner ? training : root;
    add(root_, "", 0);
    return std::move(settings_);
  }

 private:
  // "${.key}" and "${model.key}" as what stands there.
  [[nodiscard]] std::string resolved(const std::string& text, const std::string& prefix) const {
    if (!text.starts_with("${") || !text.ends_with("}") || text.find(':') != std::string::npos) {
      return text;
    }
    std::string path = text.substr(2, text.size() - 3);
    if (path.starts_with('.')) {
      path = prefix + path.substr(1);
    }
    if (path.starts_with("training.")) {
      path = path.substr(std::string_view("training.").size());
    }
    YAML::Node node = root_;
    for (std::size_t first = 0; first <= path.size();) {
      const std::size_t last = std::min(path.find('.', first), path.size());
      if (!node.IsMap()) {
        return text;
      }
      const YAML::Node next = std::as_const(node)[path.substr(first, last - first)];
      if (!next) {
        return text;
      }
      node.reset(next);
      first = last + 1;
    }
    return node.IsScalar() ? node.Scalar() : text;
  }

  std::vector<std::string> values_of(const YAML::Node& node, const std::string& prefix) {
    if (node.IsScalar()) {
      return {resolved(node.Scalar(), prefix)};
    }
    if (!node.IsSequence()) {
      return {"null"};
    }
    std::vector<std::string> values;
    for (const YAML::Node& one : node) {
      count_value();
      values.push_back(one.IsScalar() ? one.Scalar() : std::string());
    }
    return values;
  }

  // An alias stands for all that its anchor holds: a few lines of them for more than a machine has.
  void count_value() {
    if (++values_ > most_values) {
      throw InputError(file_, fmt::format("holds more than {} values", most_values));
    }
  }

  void add(const YAML::Node& node, const std::string& prefix, int depth) {
    if (depth > deepest) {
      throw InputError(file_, "tables are nested too deeply");
    }
    for (const auto& entry : node) {
      count_value();
      if (!entry.first.IsScalar()) {
        continue;
      }
      const std::string name = prefix + entry.first.Scalar();
      if (entry.second.IsMap()) {
        add(entry.second, name + ".", depth + 1);
        continue;
      }
      settings_.set(name,
                    values_of(entry.second, prefix),
                    fmt::format("{}:{}: {}", file_, entry.first.Mark().line + 1, name));
    }
  }

  std::string file_;
  YAML::Node root_;
  int values_ = 0;
  ForeignSettings settings_;
};

ForeignSettings nemo_settings(std::string_view text, const std::string& file) {
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (!root.IsMap()) {
      throw InputError(file, "is no YAML of settings (expected trainer: and model:)");
    }
    return Flattener(file).flatten(root);
  } catch (const YAML::Exception& error) {
    throw InputError(fmt::format("{}:{}", file, error.mark.line + 1), error.msg);
  }
}

// NeMo's names of the model's settings as Megatron's arguments.
ForeignSettings as_megatron(ForeignSettings& nemo) {
  ForeignSettings megatron;
  megatron.set_file(nemo.file());
  const auto copy = [&](const char* from, const char* to) {
    const std::string name = "model." + std::string(from);
    if (auto values = nemo.words(name); !values.empty()) {
      megatron.set(to, std::move(values), nemo.where(name));
    }
  };
  for (const auto& [from, to] : std::vector<std::pair<const char*, const char*>>{
           {"num_layers", "num-layers"},
           {"hidden_size", "hidden-size"},
           {"ffn_hidden_size", "ffn-hidden-size"},
           {"num_attention_heads", "num-attention-heads"},
           {"num_query_groups", "num-query-groups"},
           {"kv_channels", "kv-channels"},
           {"max_position_embeddings", "max-position-embeddings"},
           {"encoder_seq_length", "seq-length"},
           {"position_embedding_type", "position-embedding-type"},
           {"rotary_percentage", "rotary-percent"},
           {"override_vocab_size", "vocab-size"},
           {"num_moe_experts", "num-experts"},
           {"moe_router_topk", "moe-router-topk"},
           {"moe_ffn_hidden_size", "moe-ffn-hidden-size"},
           {"moe_shared_expert_intermediate_size", "moe-shared-expert-intermediate-size"},
           {"activations_checkpoint_granularity", "recompute-granularity"},
           {"activations_checkpoint_method", "recompute-method"},
           {"activations_checkpoint_num_layers", "recompute-num-layers"}}) {
    copy(from, to);
  }
  const auto flag = [&](const char* name, bool is_on) {
    if (is_on) {
      megatron.set(name, {}, nemo.file());
    }
  };
  const std::string activation = nemo.word("model.activation").value_or("gelu");
  flag("swiglu", activation == "swiglu" || activation == "fast-swiglu");
  flag("quick-geglu", activation == "geglu" || activation == "fast-geglu");
  flag("squared-relu", activation == "squared-relu");
  flag("group-query-attention", nemo.word("model.num_query_groups").has_value());
  flag("disable-bias-linear", nemo.has("model.bias") && !nemo.is_on("model.bias"));
  flag("qk-layernorm", nemo.is_on("model.qk_layernorm"));
  flag("untie-embeddings-and-output-weights",
       nemo.has("model.share_embeddings_and_output_weights") &&
           !nemo.is_on("model.share_embeddings_and_output_weights"));
  const std::string norm = nemo.word("model.normalization").value_or("layernorm");
  megatron.set("normalization",
               {norm.starts_with("rms") ? "RMSNorm" : "LayerNorm"},
               nemo.where("model.normalization"));
  const auto tokenizer = nemo.word("model.tokenizer.type");
  if (nemo.word("model.tokenizer.library") == "megatron" && tokenizer == "GPT2BPETokenizer") {
    megatron.set("tokenizer-type", {*tokenizer}, nemo.where("model.tokenizer.type"));
  }
  return megatron;
}

class NemoReader {
 public:
  explicit NemoReader(ForeignSettings settings) : settings_(std::move(settings)) {}

  ForeignJob read() {
    add_degrees();
    add_precision();
    add("sp", "model.sequence_parallel", settings_.is_on("model.sequence_parallel") ? "on" : "off");
    ForeignSettings model = as_megatron(settings_);
    if (const auto recompute = megatron_recompute(model, job_.notes)) {
      add("recompute", "model.activations_checkpoint_granularity", *recompute);
    }
    add_optimizer();
    add_stage_layers();
    if (model.has("num-layers")) {
      job_.model = megatron_model(model, job_.notes);
    }
    job_.unread = settings_.unread();
    return std::move(job_);
  }

 private:
  void add(const char* option, const char* name, const std::string& text) {
    job_.entries.push_back({option, {settings_.where(name), text}});
  }

  std::int64_t size(const char* name) {
    return settings_.whole("model." + std::string(name)).value_or(1);
  }

  void add_degrees() {
    StatedJob stated;
    stated.tensor = size("tensor_model_parallel_size");
    stated.context = size("context_parallel_size");
    stated.pipeline = size("pipeline_model_parallel_size");
    stated.virtual_pipeline = size("virtual_pipeline_model_parallel_size");
    stated.expert = size("expert_model_parallel_size");
    const auto expert_tensor = settings_.whole("model.expert_tensor_parallel_size");
    if (settings_.word("model.num_moe_experts")) {
      stated.expert_tensor = expert_tensor.value_or(stated.tensor);
    }
    stated.devices = product_of({settings_.whole("trainer.devices").value_or(0),
                                 settings_.whole("trainer.num_nodes").value_or(1)},
                                settings_.where("trainer.num_nodes"));
    stated.micro_batch = size("micro_batch_size");
    stated.batch = settings_.whole("model.global_batch_size").value_or(0);
    stated.sequence = settings_.whole("model.encoder_seq_length").value_or(0);
    stated.steps = settings_.number("trainer.max_steps").value_or(0.0);
    add_stated(stated, settings_.file(), job_);
  }

  void add_precision() {
    const std::string text = settings_.word("trainer.precision").value_or("32");
    if (settings_.is_on("model.fp8")) {
      add("precision", "model.fp8", "fp8");
      return;
    }
    add("precision",
        "trainer.precision",
        text.starts_with("bf16") ? "bf16"
        : text.starts_with("16") ? "fp16"
                                 : "fp32");
  }

  void add_stage_layers() {
    const bool embedding = settings_.is_on("model.account_for_embedding_in_pipeline_split");
    const bool head = settings_.is_on("model.account_for_loss_in_pipeline_split");
    if (embedding || head) {
      add("stage-layers",
          embedding ? "model.account_for_embedding_in_pipeline_split"
                    : "model.account_for_loss_in_pipeline_split",
          fmt::format("ends:{}+{}", embedding ? 1 : 0, head ? 1 : 0));
    }
  }

  // distributed_fused_adam and mcore_distributed_optim shard the optimizer's states.
  void add_optimizer() {
    const std::string name = settings_.word("model.optim.name").value_or("fused_adam");
    const bool is_distributed = name.find("distributed") != std::string::npos;
    const bool fsdp = settings_.is_on("model.fsdp");
    const std::string strategy = settings_.word("model.fsdp_sharding_strategy").value_or("full");
    const char* stage = is_distributed ? "1" : "0";
    if (fsdp) {
      stage = strategy == "grad" ? "2" : "3";
    }
    add("zero", fsdp ? "model.fsdp" : "model.optim.name", stage);
    Software software = *software_preset("megatron-core");
    const bool reduces = settings_.is_on("model.optim.overlap_grad_sync");
    const bool gathers = settings_.is_on("model.optim.overlap_param_sync");
    const bool messages = settings_.is_on("model.overlap_p2p_comm");
    const bool tensor = settings_.is_on("model.ub_tp_comm_overlap");
    software.overlaps_gradient_reduce = reduces || fsdp;
    software.overlaps_parameter_gather = gathers || fsdp;
    software.dropout = settings_.number("model.hidden_dropout").value_or(0.1) > 0.0;
    if (settings_.has("model.overlap_p2p_comm") && !reduces && !gathers && !messages && !tensor &&
        !fsdp) {
      add("overlap", "model.overlap_p2p_comm", "off");
    }
    job_.software = software;
  }

  ForeignSettings settings_;
  ForeignJob job_;
};

}  // namespace

ForeignJob read_nemo_job(std::string_view text, const std::string& where) {
  return NemoReader(nemo_settings(text, where)).read();
}

}  // namespace forerun
