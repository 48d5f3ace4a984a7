// Names of the verbs, and the recipe that the options make.
#include "estimator/cli/options.hpp"

#include <fmt/format.h>

#include "jobs/read_model.hpp"
#include "units/input_error.hpp"

namespace forerun {

std::string_view name_of(Verb verb) {
  switch (verb) {
    case Verb::measure:
      return "measure";
    case Verb::rehearse:
      return "rehearse";
    case Verb::estimate:
      return "estimate";
    case Verb::plan:
      return "plan";
    case Verb::capacity:
      return "capacity";
    case Verb::forecast:
      return "forecast";
    case Verb::validate:
      return "validate";
    case Verb::report:
      return "report";
    case Verb::show:
      return "show";
    case Verb::import:
      return "import";
  }
  return {};
}

Recipe recipe_from(const Options& options) {
  Recipe recipe;
  recipe.micro_batch = options.micro_batch.value_or(recipe.micro_batch);
  recipe.global_batch = options.batch.value_or(recipe.global_batch);
  recipe.sequence = options.sequence.value_or(recipe.sequence);
  recipe.precision = options.precision.value_or(recipe.precision);
  recipe.context_kind = options.context_kind.value_or(recipe.context_kind);
  recipe.expert_dispatch = options.expert_dispatch.value_or(recipe.expert_dispatch);
  recipe.expert_load = options.expert_load.value_or(recipe.expert_load);
  recipe.stage_split = options.stage_split.value_or(recipe.stage_split);
  recipe.recompute = options.recompute.value_or(recipe.recompute);
  recipe.offload = options.offload.value_or(recipe.offload);
  recipe.zero = options.zero.value_or(options.shard_group ? ZeroStage::parameters : recipe.zero);
  recipe.shard_group = options.shard_group.value_or(0);
  if (options.shard_group && recipe.zero != ZeroStage::parameters) {
    throw InputError("--fsdp",
                     fmt::format("shards weights, which --zero {} does not (expected --zero 3, or "
                                 "--fsdp without it)",
                                 static_cast<int>(recipe.zero)));
  }
  recipe.tuning = options.tuning.value_or(recipe.tuning);
  recipe.adapters.rank = options.lora_rank.value_or(recipe.adapters.rank);
  recipe.adapters.targets = options.lora_targets.value_or(recipe.adapters.targets);
  if (recipe.tuning == Tuning::full && (options.lora_rank || options.lora_targets)) {
    throw InputError(options.lora_rank ? "--lora-rank" : "--lora-targets",
                     "is of adapters, which --tuning full has not (expected --tuning lora or "
                     "qlora)");
  }
  recipe.fp8_param_gather = options.fp8_param_gather.value_or(false);
  recipe.software = options.software.value_or(recipe.software);
  recipe.sequence_parallel = options.sequence_parallel.value_or(recipe.sequence_parallel);
  recipe.schedule = options.schedule;
  recipe.tokens = options.tokens;
  recipe.keeps_gathered_weights =
      options.keeps_gathered_weights && recipe.zero == ZeroStage::parameters;
  return recipe;
}

ModelShape model_named(const std::string& name, const Options& options) {
  return options.stated_model && options.stated_model->name == name ? *options.stated_model
                                                                    : read_model(name);
}

}  // namespace forerun
