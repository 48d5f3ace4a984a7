// Names of the verbs, and the recipe that the options make.
#include "estimator/cli/options.hpp"

namespace forerun {

std::string_view name_of(Verb verb) {
  switch (verb) {
    case Verb::measure:
      return "measure";
    case Verb::rehearse:
      return "rehearse";
    case Verb::estimate:
      return "estimate";
    case Verb::forecast:
      return "forecast";
    case Verb::validate:
      return "validate";
    case Verb::show:
      return "show";
  }
  return {};
}

Recipe recipe_from(const Options& options) {
  Recipe recipe;
  recipe.micro_batch = options.micro_batch.value_or(recipe.micro_batch);
  recipe.global_batch = options.batch.value_or(recipe.global_batch);
  recipe.sequence = options.sequence.value_or(recipe.sequence);
  recipe.precision = options.precision.value_or(recipe.precision);
  recipe.recompute = options.recompute.value_or(recipe.recompute);
  recipe.zero = options.zero.value_or(recipe.zero);
  recipe.sequence_parallel = options.sequence_parallel.value_or(recipe.sequence_parallel);
  recipe.schedule = options.schedule;
  recipe.tokens = options.tokens;
  return recipe;
}

}  // namespace forerun
