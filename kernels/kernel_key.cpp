// The text form of kernel keys: one list of fields per shape serves the writer and the reader.
#include "kernels/kernel_key.hpp"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "kernels/shape_fields.hpp"

namespace forerun {
namespace {

constexpr auto op_names = std::to_array<std::pair<KernelOp, std::string_view>>({
    {KernelOp::gemm, "gemm"},
    {KernelOp::attention_forward, "attention_forward"},
    {KernelOp::attention_backward, "attention_backward"},
    {KernelOp::rms_norm_forward, "rms_norm_forward"},
    {KernelOp::rms_norm_backward, "rms_norm_backward"},
    {KernelOp::layer_norm_forward, "layer_norm_forward"},
    {KernelOp::layer_norm_backward, "layer_norm_backward"},
    {KernelOp::qk_norm_forward, "qk_norm_forward"},
    {KernelOp::qk_norm_backward, "qk_norm_backward"},
    {KernelOp::rope_forward, "rope_forward"},
    {KernelOp::rope_backward, "rope_backward"},
    {KernelOp::swiglu_forward, "swiglu_forward"},
    {KernelOp::swiglu_backward, "swiglu_backward"},
    {KernelOp::gelu_forward, "gelu_forward"},
    {KernelOp::gelu_backward, "gelu_backward"},
    {KernelOp::add, "add"},
    {KernelOp::bias_forward, "bias_forward"},
    {KernelOp::bias_backward, "bias_backward"},
    {KernelOp::embedding_forward, "embedding_forward"},
    {KernelOp::embedding_backward, "embedding_backward"},
    {KernelOp::position_forward, "position_forward"},
    {KernelOp::position_backward, "position_backward"},
    {KernelOp::cross_entropy_max, "cross_entropy_max"},
    {KernelOp::cross_entropy_sum, "cross_entropy_sum"},
    {KernelOp::cross_entropy_gradient, "cross_entropy_gradient"},
    {KernelOp::adamw, "adamw"},
    {KernelOp::zero, "zero"},
    {KernelOp::copy, "copy"},
    {KernelOp::cast, "cast"},
    {KernelOp::add_rms_norm_forward, "add_rms_norm_forward"},
    {KernelOp::add_rms_norm_backward, "add_rms_norm_backward"},
    {KernelOp::add_layer_norm_forward, "add_layer_norm_forward"},
    {KernelOp::add_layer_norm_backward, "add_layer_norm_backward"},
    {KernelOp::decode_attention, "decode_attention"},
    {KernelOp::grouped_gemm, "grouped_gemm"},
    {KernelOp::router_forward, "router_forward"},
    {KernelOp::router_backward, "router_backward"},
    {KernelOp::expert_sort, "expert_sort"},
    {KernelOp::permute_forward, "permute_forward"},
    {KernelOp::permute_backward, "permute_backward"},
    {KernelOp::unpermute_forward, "unpermute_forward"},
    {KernelOp::unpermute_backward, "unpermute_backward"},
    {KernelOp::conv1d_forward, "conv1d_forward"},
    {KernelOp::conv1d_backward, "conv1d_backward"},
    {KernelOp::ssd_forward, "ssd_forward"},
    {KernelOp::ssd_backward, "ssd_backward"},
    {KernelOp::selective_scan_forward, "selective_scan_forward"},
    {KernelOp::selective_scan_backward, "selective_scan_backward"},
});

std::optional<KernelOp> op_from(std::string_view text) {
  for (const auto& [op, name] : op_names) {
    if (name == text) {
      return op;
    }
  }
  return std::nullopt;
}

KernelShape empty_shape_of(KernelOp op) {
  switch (op) {
    case KernelOp::gemm:
      return GemmShape{};
    case KernelOp::attention_forward:
    case KernelOp::attention_backward:
      return AttentionKeyShape{};
    case KernelOp::qk_norm_forward:
    case KernelOp::qk_norm_backward:
    case KernelOp::rope_forward:
    case KernelOp::rope_backward:
      return HeadsShape{};
    case KernelOp::embedding_forward:
    case KernelOp::embedding_backward:
    case KernelOp::position_forward:
    case KernelOp::position_backward:
      return TableShape{};
    case KernelOp::adamw:
    case KernelOp::zero:
    case KernelOp::copy:
      return FlatShape{};
    case KernelOp::rms_norm_forward:
    case KernelOp::rms_norm_backward:
    case KernelOp::layer_norm_forward:
    case KernelOp::layer_norm_backward:
    case KernelOp::swiglu_forward:
    case KernelOp::swiglu_backward:
    case KernelOp::gelu_forward:
    case KernelOp::gelu_backward:
    case KernelOp::add:
    case KernelOp::bias_forward:
    case KernelOp::bias_backward:
    case KernelOp::cross_entropy_max:
    case KernelOp::cross_entropy_sum:
    case KernelOp::cross_entropy_gradient:
    case KernelOp::cast:
    case KernelOp::add_rms_norm_forward:
    case KernelOp::add_rms_norm_backward:
    case KernelOp::add_layer_norm_forward:
    case KernelOp::add_layer_norm_backward:
      return RowsShape{};
    case KernelOp::grouped_gemm:
      return GroupedGemmShape{};
    case KernelOp::decode_attention:
      return DecodeShape{};
    case KernelOp::router_forward:
    case KernelOp::router_backward:
    case KernelOp::expert_sort:
      return RouterShape{};
    case KernelOp::permute_forward:
    case KernelOp::permute_backward:
    case KernelOp::unpermute_forward:
    case KernelOp::unpermute_backward:
      return PermuteShape{};
    case KernelOp::conv1d_forward:
    case KernelOp::conv1d_backward:
      return ConvShape{};
    case KernelOp::ssd_forward:
    case KernelOp::ssd_backward:
      return SsdShape{};
    case KernelOp::selective_scan_forward:
    case KernelOp::selective_scan_backward:
      return ScanShape{};
  }
  return FlatShape{};
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

  void operator()(GemmOutput /*output*/) {}

  [[nodiscard]] const std::vector<std::int64_t>& sizes() const { return sizes_; }

 private:
  std::vector<std::int64_t> sizes_;
};

}  // namespace

std::string_view name_of(KernelOp op) {
  for (const auto& [known, name] : op_names) {
    if (known == op) {
      return name;
    }
  }
  return {};
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
  const auto op = op_from(reader.word());
  const auto type = data_type_from(reader.word());
  if (!op || !type) {
    return std::nullopt;
  }
  KernelKey key{.op = *op, .type = *type, .shape = empty_shape_of(*op)};
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
