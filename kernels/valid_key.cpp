#include "kernels/valid_key.hpp"

#include <fmt/format.h>

#include "kernels/shape_fields.hpp"

namespace forerun {
namespace {

using Complaint = std::optional<std::string>;

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
    return uneven("heads", s.heads, "kv_heads", s.kv_heads);
  }

  Complaint operator()(const DecodeShape& s) const {
    return uneven("heads", s.heads, "kv_heads", s.kv_heads);
  }

  Complaint operator()(const HeadsShape& s) const {
    const bool is_rope = op == KernelOp::rope_forward || op == KernelOp::rope_backward;
    if (is_rope && s.head_size % 2 != 0) {
      return "rope rotates pairs: head_size must be even";
    }
    return std::nullopt;
  }

  Complaint operator()(const GroupedGemmShape& s) const {
    if (s.largest > s.rows || s.largest < (s.rows + s.groups - 1) / s.groups) {
      return fmt::format("{} rows in {} groups cannot have {} in the largest (expected {} to {})",
                         s.rows,
                         s.groups,
                         s.largest,
                         (s.rows + s.groups - 1) / s.groups,
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
  return std::visit(Relations{key.op}, key.shape);
}

}  // namespace forerun
