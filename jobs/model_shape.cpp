#include "jobs/model_shape.hpp"

namespace forerun {

LayerKind kind_of(const ModelShape& model, std::int64_t layer) {
  if (!model.kinds.empty()) {
    return model.kinds[static_cast<std::size_t>(layer)];
  }
  LayerKind kind;
  kind.windowed = model.attention.window.has_value();
  kind.ffn =
      model.moe && layer >= model.moe->dense_layers ? FeedForward::experts : FeedForward::dense;
  return kind;
}

std::optional<std::int64_t> window_of(const ModelShape& model, std::int64_t layer) {
  const LayerKind kind = kind_of(model, layer);
  return kind.mixer == Mixer::attention && kind.windowed ? model.attention.window : std::nullopt;
}

bool is_gated(Activation activation) {
  return activation == Activation::swiglu || activation == Activation::geglu;
}

std::int64_t expert_width(const ModelShape& model) {
  return model.moe->latent > 0 ? model.moe->latent : model.hidden;
}

std::int64_t position_rows(const ModelShape& model) {
  return model.max_positions + model.position_offset;
}

bool has_ffn(const ModelShape& model, FeedForward kind) {
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    if (kind_of(model, layer).ffn == kind) {
      return true;
    }
  }
  return false;
}

}  // namespace forerun
