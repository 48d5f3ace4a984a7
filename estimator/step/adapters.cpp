#include "estimator/step/adapters.hpp"

namespace forerun {

std::vector<AdapterPiece> adapter_pieces(const Job& job, const WeightSpec& weight) {
  const LoraTargets& targets = job.recipe.adapters.targets;
  std::vector<AdapterPiece> pieces;
  const auto add = [&](bool is_target, std::int64_t rows) {
    if (is_target) {
      pieces.push_back({static_cast<std::int8_t>(pieces.size()), weight.columns, rows});
    }
  };
  switch (weight.id.name) {
    case TensorName::w_qkv: {
      const std::int64_t head = job.model.attention.head_size;
      add(targets.query, local_heads(job) * head);
      add(targets.key, local_kv_heads(job) * head);
      add(targets.value, local_kv_heads(job) * head);
      break;
    }
    case TensorName::w_query_down:
    case TensorName::w_query_up:
      add(targets.query, weight.rows);
      break;
    case TensorName::w_kv_down:
    case TensorName::w_kv_up:
      add(targets.key || targets.value, weight.rows);
      break;
    case TensorName::w_out:
      add(targets.output, weight.rows);
      break;
    case TensorName::w_up:
    case TensorName::w_shared_up: {
      const bool has_gate = up_factor(job.model) == 2;
      add(targets.gate && has_gate, weight.rows / 2);
      add(targets.up, has_gate ? weight.rows / 2 : weight.rows);
      break;
    }
    case TensorName::w_down:
    case TensorName::w_shared_down:
      add(targets.down, weight.rows);
      break;
    case TensorName::w_mixer_in:
      add(targets.mixer, weight.rows);
      break;
    default:
      break;
  }
  return pieces;
}

std::vector<WeightSpec> adapter_weights(const Job& job,
                                        const WeightSpec& weight,
                                        const AdapterPiece& piece) {
  const std::int64_t rank = job.recipe.adapters.rank;
  const bool is_replicated = weight.split == Split::replicated;
  const bool splits_columns = weight.split == Split::columns;
  const auto split_if = [](bool splits, Split split) { return splits ? split : Split::replicated; };
  return {{with_form(weight.id, TensorForm::adapter_in, piece.piece),
           rank,
           piece.in,
           split_if(splits_columns, Split::columns),
           Initial::normal,
           0},
          {with_form(weight.id, TensorForm::adapter_out, piece.piece),
           piece.out,
           rank,
           split_if(!splits_columns && !is_replicated, Split::rows),
           Initial::zeros,
           0}};
}

}  // namespace forerun
