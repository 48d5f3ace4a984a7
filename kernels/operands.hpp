// The operands of each kernel: how many, how large, read or written. The contract between the work
// list, the devices that run kernels, and the harness that times them.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "kernels/kernel_key.hpp"
#include "units/data_type.hpp"

namespace forerun {

enum class Access { read, write, read_write };

struct Operand {
  std::string_view name;
  DataType type = DataType::bf16;
  std::int64_t elements = 0;
  Access access = Access::read;
};

/// In the order in which `Device::run` takes them. T is the key's type, r rows, c columns, w the
/// packed width (heads + 2 kv_heads) * head_size; "+=" accumulates into fp32:
///   gemm                    A(T), B(T), C(T or += fp32)
///   attention_forward       qkv(T, tokens*w), out(T, tokens*heads*head_size) w,
///                           lse(fp32, batch*heads*length) w
///   attention_backward      qkv, out, lse, d_out(T), d_qkv(T, tokens*w) w
///   rms_norm_forward        x(T, r*c), weight(T, c), y(T, r*c) w, rstd(fp32, r) w
///   rms_norm_backward       x, weight, rstd, dy(T), dx(T) w, d_weight(+= fp32, c)
///   layer_norm_forward      x, weight, bias(T, c), y w, stats(fp32, 2*r: means, then rstds) w
///   layer_norm_backward     x, weight, stats, dy, dx w, d_weight(+=), d_bias(+=)
///   qk_norm_forward         qkv(T, tokens*w), q_weight(T, head_size), k_weight(T, head_size),
///                           qkv_out(T, tokens*w) w, rstd(fp32, tokens*(heads+kv_heads)) w
///   qk_norm_backward        qkv, q_weight, k_weight, rstd, d_qkv(T) in place,
///                           dq_weight(+=), dk_weight(+=)
///   rope_forward/_backward  qkv(T, tokens*w) in place (q and k heads; non-interleaved halves)
///   swiglu_forward          u(T, r*2c: [gate|up] per row), y(T, r*c) w       columns = outputs
///   swiglu_backward         u, dy(T, r*c), du(T, r*2c) w
///   gelu_forward            u(T, r*c), y w                                   tanh form
///   gelu_backward           u, dy, du w
///   add                     a(T, r*c), b(T, r*c), sum(T, r*c) w              sum may be a or b
///   bias_forward            bias(T, c), y(T, r*c) in place
///   bias_backward           dy(T, r*c), d_bias(+= fp32, c)
///   embedding_forward       tokens(int32), table(T, table_rows*c), y(T, tokens*c) w
///                           a token outside [first, first + table_rows) gives a zero row
///   embedding_backward      tokens(int32), dy(T), d_table(+= fp32, table_rows*c)
///   position_forward        table(T, table_rows*c), x(T, tokens*c) in place;
///                           position = (first + row) / batch
///   position_backward       dx(T, tokens*c), d_table(+= fp32, table_rows*c)
///   cross_entropy_max       logits(T, r*c), row_max(fp32, r) w
///   cross_entropy_sum       logits, row_max, targets(int32, r), sums(fp32, 2*r) w:
///                           sum of exp(logit - max), then target logit - max (0 if foreign)
///   cross_entropy_gradient  logits(T) in place -> (softmax - onehot) * scale, row_max, sums,
///                           targets, loss(fp32, r) w: log(sum) - target
///   adamw (fp32)            grad(fp32, n), weight(fp32) in place, m(fp32), v(fp32) in place
///   adamw (bf16)            grad(fp32, n), master(fp32), m, v in place, weight(bf16) w
///   zero                    values(T, n) w
///   copy                    from(T, n), to(T, n) w
/// The cross-entropy kernels look at columns [0, valid) only; columns beyond get gradient 0.
[[nodiscard]] std::vector<Operand> operands_of(const KernelKey& key);

struct AdamWScalars {
  double learning_rate = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;
  std::int64_t step = 1;  ///< from 1
};

/// Values that do not change how long a kernel takes and so are not part of its key.
struct KernelScalars {
  double scale = 1.0;      ///< cross_entropy_gradient
  std::int64_t first = 0;  ///< first vocabulary row or first token row held here
  std::int64_t valid = std::numeric_limits<std::int64_t>::max();  ///< real vocabulary columns here
  double rope_theta = 10000.0;
  double norm_epsilon = 1e-5;
  AdamWScalars adamw = {};
};

}  // namespace forerun
