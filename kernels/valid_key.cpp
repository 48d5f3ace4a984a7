#include "kernels/valid_key.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "kernels/shape_fields.hpp"
#include "units/integer.hpp"

namespace forerun {
namespace {

using Complaint = std::optional<std::string>;

// Elements of an operand, and steps through one, are counted as whole numbers, their bytes too:
// they are made of three sizes at most.
Complaint overflow_in(const KernelKey& key) {
  constexpr double most = 1e18;  // of 8 bytes each at most
  constexpr std::size_t factors = 3;
  std::vector<std::int64_t> sizes = sizes_of(key);
  std::ranges::sort(sizes, std::greater<>());
  sizes.resize(std::min(sizes.size(), factors));
  const double product = std::accumulate(sizes.begin(), sizes.end(), 1.0, std::multiplies<>());
  return product > most ? Complaint("its sizes are more than any memory holds") : std::nullopt;
}

// Finds the first size that is too small.
class SizeCheck {
 public:
  void operator()(std::string_view name, std::int64_t value) { expect(name, value, 1); }

  void optional(std::string_view name, std::int64_t value) {
    // A chunk of queries may lie before its keys.
    if (name != "offset") {
      expect(name, value, 0);
    }
  }

  void operator()(GemmLayout /*layout*/) {}

  void operator()(Mask /*mask*/) {}

  void operator()(Scores /*scores*/) {}

  void operator()(GemmOutput /*output*/) {}

  [[nodiscard]] const Complaint& complaint() const { return complaint_; }

 private:
  void expect(std::string_view name, std::int64_t value, std::int64_t least) {
    if (value < least && !complaint_) {
      complaint_ = fmt::format("{} is {}, every size must be at least {}", name, value, least);
    }
  }

  Complaint complaint_;
};

Complaint uneven(std::string_view what,
                 std::int64_t count,
                 std::string_view by,
                 std::int64_t parts) {
  if (count % parts == 0) {
    return std::nullopt;
  }
  return fmt::format("{} {} do not share {} {} evenly", count, what, parts, by);
}

struct Relations {
  KernelOp op;

  Complaint operator()(const AttentionKeyShape& s) const {
    const bool is_fused = op == KernelOp::attention_forward || op == KernelOp::attention_backward;
    if (!is_fused && !is_packed(s)) {
      return "attention that stores its scores takes packed rows only";
    }
    return uneven("heads", s.heads, "kv_heads", s.kv_heads);
  }

  Complaint operator()(const DecodeShape& s) const {
    if (op == KernelOp::latent_decode_attention && s.value_size > s.head_size) {
      return fmt::format("value_size {} is more than head_size {}", s.value_size, s.head_size);
    }
    return uneven("heads", s.heads, "kv_heads", s.kv_heads);
  }

  Complaint operator()(const HeadsShape& s) const {
    const bool is_rope = op == KernelOp::rope_forward || op == KernelOp::rope_backward;
    if (is_rope && rotary_size(s) % 2 != 0) {
      return fmt::format("rope rotates pairs: {} must be even",
                         s.rotary_size == 0 ? "head_size" : "rotary_size");
    }
    if (s.rotary_size > s.head_size) {
      return fmt::format("rotary_size {} is more than head_size {}", s.rotary_size, s.head_size);
    }
    return std::nullopt;
  }

  Complaint operator()(const GroupedGemmShape& s) const {
    if (s.largest > s.rows || s.largest < ceil_div(s.rows, s.groups)) {
      return fmt::format("{} rows in {} groups cannot have {} in the largest (expected {} to {})",
                         s.rows,
                         s.groups,
                         s.largest,
                         ceil_div(s.rows, s.groups),
                         s.rows);
    }
    if (s.groups == 1 && s.largest != s.rows) {
      return "the only group has all rows";
    }
    return std::nullopt;
  }

  Complaint operator()(const RouterShape& s) const {
    if (s.top_k > s.experts) {
      return fmt::format("{} choices among {} experts", s.top_k, s.experts);
    }
    return std::nullopt;
  }

  Complaint operator()(const SsdShape& s) const {
    return uneven("heads", s.heads, "groups", s.groups);
  }

  Complaint operator()(const DeltaShape& s) const {
    return uneven("heads", s.heads, "key_heads", s.key_heads);
  }

  Complaint operator()(const GroupedRowsShape& s) const {
    return uneven("columns", s.columns, "groups", s.groups);
  }

  Complaint operator()(const ColumnsShape& s) const {
    if (s.first + s.columns > s.width) {
      return fmt::format(
          "columns {} to {} lie beyond the width {}", s.first, s.first + s.columns, s.width);
    }
    return std::nullopt;
  }

  Complaint operator()(const LatentHeadsShape& s) const {
    if (s.rope_size % 2 != 0) {
      return "rope rotates pairs: rope_size must be even";
    }
    return std::nullopt;
  }

  Complaint operator()(const auto& /*shape*/) const { return std::nullopt; }
};

}  // namespace

std::optional<std::string> contradiction_in(const KernelKey& key) {
  SizeCheck check;
  std::visit(
      [&check]<class Shape>(const Shape& shape) {
        for_each_field(shape, static_cast<Shape*>(nullptr), check);
      },
      key.shape);
  if (check.complaint()) {
    return check.complaint();
  }
  if (auto overflow = overflow_in(key)) {
    return overflow;
  }
  return std::visit(Relations{key.op}, key.shape);
}

}  // namespace forerun
