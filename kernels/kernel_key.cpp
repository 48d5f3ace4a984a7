// The text form of kernel keys: one list of fields per shape serves the writer and the reader.
#include "kernels/kernel_key.hpp"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

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
      return RowsShape{};
  }
  return FlatShape{};
}

// The fields of a shape in the order of the text; `visit` has one overload per kind of field.
void for_each_field(auto& s, GemmShape* /*tag*/, auto&& visit) {
  visit("m", s.m);
  visit("n", s.n);
  visit("k", s.k);
  visit(s.layout);
  visit(s.output);
}

void for_each_field(auto& s, AttentionKeyShape* /*tag*/, auto&& visit) {
  visit("batch", s.batch);
  visit("length", s.length);
  visit("heads", s.heads);
  visit("kv_heads", s.kv_heads);
  visit("head_size", s.head_size);
  visit(s.mask);
}

void for_each_field(auto& s, RowsShape* /*tag*/, auto&& visit) {
  visit("rows", s.rows);
  visit("columns", s.columns);
}

void for_each_field(auto& s, HeadsShape* /*tag*/, auto&& visit) {
  visit("tokens", s.tokens);
  visit("batch", s.batch);
  visit("heads", s.heads);
  visit("kv_heads", s.kv_heads);
  visit("head_size", s.head_size);
}

void for_each_field(auto& s, TableShape* /*tag*/, auto&& visit) {
  visit("tokens", s.tokens);
  visit("batch", s.batch);
  visit("columns", s.columns);
  visit("table_rows", s.table_rows);
}

void for_each_field(auto& s, FlatShape* /*tag*/, auto&& visit) {
  visit("elements", s.elements);
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

}  // namespace forerun
