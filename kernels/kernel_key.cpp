// The text form of kernel keys: one list of fields per shape serves the writer and the reader.
#include "kernels/kernel_key.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "kernels/shape_fields.hpp"

namespace forerun {
namespace {

struct OpRow {
  KernelOp op;
  std::string_view name;
  KernelShape shape;  ///< of the kind that the operation has
};

constexpr auto op_rows = std::to_array<OpRow>({
    {KernelOp::gemm, "gemm", GemmShape{}},
    {KernelOp::attention_forward, "attention_forward", AttentionKeyShape{}},
    {KernelOp::attention_backward, "attention_backward", AttentionKeyShape{}},
    {KernelOp::rms_norm_forward, "rms_norm_forward", RowsShape{}},
    {KernelOp::rms_norm_backward, "rms_norm_backward", RowsShape{}},
    {KernelOp::layer_norm_forward, "layer_norm_forward", RowsShape{}},
    {KernelOp::layer_norm_backward, "layer_norm_backward", RowsShape{}},
    {KernelOp::qk_norm_forward, "qk_norm_forward", HeadsShape{}},
    {KernelOp::qk_norm_backward, "qk_norm_backward", HeadsShape{}},
    {KernelOp::rope_forward, "rope_forward", HeadsShape{}},
    {KernelOp::rope_backward, "rope_backward", HeadsShape{}},
    {KernelOp::swiglu_forward, "swiglu_forward", RowsShape{}},
    {KernelOp::swiglu_backward, "swiglu_backward", RowsShape{}},
    {KernelOp::gelu_forward, "gelu_forward", RowsShape{}},
    {KernelOp::gelu_backward, "gelu_backward", RowsShape{}},
    {KernelOp::add, "add", RowsShape{}},
    {KernelOp::bias_forward, "bias_forward", RowsShape{}},
    {KernelOp::bias_backward, "bias_backward", RowsShape{}},
    {KernelOp::embedding_forward, "embedding_forward", TableShape{}},
    {KernelOp::embedding_backward, "embedding_backward", TableShape{}},
    {KernelOp::position_forward, "position_forward", TableShape{}},
    {KernelOp::position_backward, "position_backward", TableShape{}},
    {KernelOp::cross_entropy_max, "cross_entropy_max", RowsShape{}},
    {KernelOp::cross_entropy_sum, "cross_entropy_sum", RowsShape{}},
    {KernelOp::cross_entropy_gradient, "cross_entropy_gradient", RowsShape{}},
    {KernelOp::adamw, "adamw", FlatShape{}},
    {KernelOp::zero, "zero", FlatShape{}},
    {KernelOp::copy, "copy", FlatShape{}},
    {KernelOp::cast, "cast", RowsShape{}},
    {KernelOp::add_rms_norm_forward, "add_rms_norm_forward", RowsShape{}},
    {KernelOp::add_rms_norm_backward, "add_rms_norm_backward", RowsShape{}},
    {KernelOp::add_layer_norm_forward, "add_layer_norm_forward", RowsShape{}},
    {KernelOp::add_layer_norm_backward, "add_layer_norm_backward", RowsShape{}},
    {KernelOp::decode_attention, "decode_attention", DecodeShape{}},
    {KernelOp::grouped_gemm, "grouped_gemm", GroupedGemmShape{}},
    {KernelOp::router_forward, "router_forward", RouterShape{}},
    {KernelOp::router_backward, "router_backward", RouterShape{}},
    {KernelOp::expert_sort, "expert_sort", RouterShape{}},
    {KernelOp::permute_forward, "permute_forward", PermuteShape{}},
    {KernelOp::permute_backward, "permute_backward", PermuteShape{}},
    {KernelOp::unpermute_forward, "unpermute_forward", PermuteShape{}},
    {KernelOp::unpermute_backward, "unpermute_backward", PermuteShape{}},
    {KernelOp::conv1d_forward, "conv1d_forward", ConvShape{}},
    {KernelOp::conv1d_backward, "conv1d_backward", ConvShape{}},
    {KernelOp::ssd_forward, "ssd_forward", SsdShape{}},
    {KernelOp::ssd_backward, "ssd_backward", SsdShape{}},
    {KernelOp::selective_scan_forward, "selective_scan_forward", ScanShape{}},
    {KernelOp::selective_scan_backward, "selective_scan_backward", ScanShape{}},
    {KernelOp::scores_forward, "scores_forward", AttentionKeyShape{}},
    {KernelOp::softmax_forward, "softmax_forward", AttentionKeyShape{}},
    {KernelOp::context_forward, "context_forward", AttentionKeyShape{}},
    {KernelOp::context_backward, "context_backward", AttentionKeyShape{}},
    {KernelOp::softmax_backward, "softmax_backward", AttentionKeyShape{}},
    {KernelOp::scores_backward, "scores_backward", AttentionKeyShape{}},
    {KernelOp::dropout_forward, "dropout_forward", RowsShape{}},
    {KernelOp::dropout_backward, "dropout_backward", RowsShape{}},
    {KernelOp::bias_dropout_add_forward, "bias_dropout_add_forward", RowsShape{}},
    {KernelOp::bias_gelu_forward, "bias_gelu_forward", RowsShape{}},
    {KernelOp::bias_gelu_backward, "bias_gelu_backward", RowsShape{}},
    {KernelOp::widen, "widen", FlatShape{}},
    {KernelOp::narrow, "narrow", FlatShape{}},
    {KernelOp::accumulate, "accumulate", FlatShape{}},
    {KernelOp::square_sum, "square_sum", FlatShape{}},
    {KernelOp::geglu_forward, "geglu_forward", RowsShape{}},
    {KernelOp::geglu_backward, "geglu_backward", RowsShape{}},
    {KernelOp::relu_forward, "relu_forward", RowsShape{}},
    {KernelOp::relu_backward, "relu_backward", RowsShape{}},
    {KernelOp::softcap_forward, "softcap_forward", RowsShape{}},
    {KernelOp::softcap_backward, "softcap_backward", RowsShape{}},
    {KernelOp::scale, "scale", FlatShape{}},
    {KernelOp::layer_norm_nobias_forward, "layer_norm_nobias_forward", RowsShape{}},
    {KernelOp::layer_norm_nobias_backward, "layer_norm_nobias_backward", RowsShape{}},
    {KernelOp::relu_squared_forward, "relu_squared_forward", RowsShape{}},
    {KernelOp::relu_squared_backward, "relu_squared_backward", RowsShape{}},
    {KernelOp::row_gate_forward, "row_gate_forward", RowsShape{}},
    {KernelOp::row_gate_backward, "row_gate_backward", RowsShape{}},
    {KernelOp::sigmoid_gate_forward, "sigmoid_gate_forward", RowsShape{}},
    {KernelOp::sigmoid_gate_backward, "sigmoid_gate_backward", RowsShape{}},
    {KernelOp::gated_norm_forward, "gated_norm_forward", GroupedRowsShape{}},
    {KernelOp::gated_norm_backward, "gated_norm_backward", GroupedRowsShape{}},
    {KernelOp::take_columns, "take_columns", ColumnsShape{}},
    {KernelOp::put_columns, "put_columns", ColumnsShape{}},
    {KernelOp::latent_query_forward, "latent_query_forward", LatentHeadsShape{}},
    {KernelOp::latent_query_backward, "latent_query_backward", LatentHeadsShape{}},
    {KernelOp::latent_keys_forward, "latent_keys_forward", LatentHeadsShape{}},
    {KernelOp::latent_keys_backward, "latent_keys_backward", LatentHeadsShape{}},
    {KernelOp::delta_rule_forward, "delta_rule_forward", DeltaShape{}},
    {KernelOp::delta_rule_backward, "delta_rule_backward", DeltaShape{}},
    {KernelOp::dequantize, "dequantize", FlatShape{}},
    {KernelOp::latent_decode_attention, "latent_decode_attention", DecodeShape{}},
});

const OpRow* find_row(auto matches) {
  const auto found = std::ranges::find_if(op_rows, matches);
  return found == op_rows.end() ? nullptr : &*found;
}

constexpr auto layout_names = std::to_array<std::pair<GemmLayout, std::string_view>>({
    {GemmLayout::nn, "nn"},
    {GemmLayout::nt, "nt"},
    {GemmLayout::tn, "tn"},
});

constexpr auto mask_names = std::to_array<std::pair<Mask, std::string_view>>({
    {Mask::causal, "causal"},
    {Mask::full, "full"},
});

constexpr auto score_names = std::to_array<std::pair<Scores, std::string_view>>({
    {Scores::alibi, "alibi"},
    {Scores::capped, "capped"},
});

class Writer {
 public:
  explicit Writer(std::string& text) : text_(text) {}

  void operator()(std::string_view name, std::int64_t value) {
    text_ += fmt::format(" {}={}", name, value);
  }

  void optional(std::string_view name, std::int64_t value) {
    if (value != 0) {
      (*this)(name, value);
    }
  }

  void operator()(GemmLayout layout) { choice(layout, layout_names); }

  void operator()(Mask mask) { choice(mask, mask_names); }

  void operator()(Scores scores) { choice(scores, score_names); }

  void operator()(GemmOutput output) {
    text_ += output == GemmOutput::accumulate_fp32 ? " acc" : "";
  }

 private:
  void choice(auto value, const auto& names) {
    for (const auto& [known, name] : names) {
      if (known == value) {
        text_ += fmt::format(" {}", name);
      }
    }
  }

  std::string& text_;
};

// Takes words from the front of `rest`; once something does not fit, `fits()` is false.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  [[nodiscard]] std::string_view word() {
    const std::size_t end = rest_.find(' ');
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return word;
  }

  void operator()(std::string_view name, std::int64_t& value) {
    std::string_view text = word();
    if (!text.starts_with(name) || !text.substr(name.size()).starts_with('=')) {
      fits_ = false;
      return;
    }
    text.remove_prefix(name.size() + 1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    fits_ = fits_ && error == std::errc{} && end == text.data() + text.size();
  }

  /// Takes the word only when it is this one; as `Writer` leaves zeros out, a zero does not fit.
  void optional(std::string_view name, std::int64_t& value) {
    if (rest_.starts_with(name) && rest_.substr(name.size()).starts_with('=')) {
      (*this)(name, value);
      fits_ = fits_ && value != 0;
    }
  }

  void operator()(GemmLayout& layout) { choice(layout, layout_names); }

  void operator()(Mask& mask) { choice(mask, mask_names); }

  /// The last word, where there is one more: plain scores are not told.
  void operator()(Scores& scores) {
    if (!rest_.empty()) {
      choice(scores, score_names);
    }
  }

  void operator()(GemmOutput& output) {
    if (!rest_.empty()) {
      fits_ = fits_ && word() == "acc";
      output = GemmOutput::accumulate_fp32;
    }
  }

  [[nodiscard]] bool fits() const { return fits_ && rest_.empty(); }

 private:
  void choice(auto& value, const auto& names) {
    const std::string_view text = word();
    for (const auto& [known, name] : names) {
      if (name == text) {
        value = known;
        return;
      }
    }
    fits_ = false;
  }

  std::string_view rest_;
  bool fits_ = true;
};

// Collects the numbers of a shape.
class SizeList {
 public:
  void operator()(std::string_view /*name*/, std::int64_t value) { sizes_.push_back(value); }

  void optional(std::string_view /*name*/, std::int64_t value) { sizes_.push_back(value); }

  void operator()(GemmLayout /*layout*/) {}

  void operator()(Mask /*mask*/) {}

  void operator()(Scores /*scores*/) {}

  void operator()(GemmOutput /*output*/) {}

  [[nodiscard]] const std::vector<std::int64_t>& sizes() const { return sizes_; }

 private:
  std::vector<std::int64_t> sizes_;
};

}  // namespace

std::string_view name_of(KernelOp op) {
  const OpRow* const row = find_row([op](const OpRow& known) { return known.op == op; });
  return row == nullptr ? std::string_view() : row->name;
}

std::string text_of(const KernelKey& key) {
  std::string text = fmt::format("{} {}", name_of(key.op), name_of(key.type));
  std::visit(
      [&text]<class Shape>(const Shape& shape) {
        for_each_field(shape, static_cast<Shape*>(nullptr), Writer(text));
      },
      key.shape);
  return text;
}

std::optional<KernelKey> kernel_key_from(std::string_view text) {
  Reader reader(text);
  const std::string_view name = reader.word();
  const OpRow* const row = find_row([name](const OpRow& known) { return known.name == name; });
  const auto type = data_type_from(reader.word());
  if (row == nullptr || !type) {
    return std::nullopt;
  }
  KernelKey key{.op = row->op, .type = *type, .shape = row->shape};
  std::visit([&reader]<class Shape>(
                 Shape& shape) { for_each_field(shape, static_cast<Shape*>(nullptr), reader); },
             key.shape);
  if (!reader.fits()) {
    return std::nullopt;
  }
  return key;
}

std::vector<std::int64_t> sizes_of(const KernelKey& key) {
  SizeList list;
  std::visit([&list]<class Shape>(
                 const Shape& shape) { for_each_field(shape, static_cast<Shape*>(nullptr), list); },
             key.shape);
  return list.sizes();
}

}  // namespace forerun
