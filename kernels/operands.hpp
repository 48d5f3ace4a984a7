// The operands of each kernel: how many, how large, read or written. The contract between the work
// list, the devices that run kernels, and the harness that times them.
#pragma once

#include <cstddef>
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

[[nodiscard]] std::size_t bytes_of(const Operand& operand);

/// In the order in which `Device::run` takes them. T is the key's type, r rows, c columns, w the
/// packed width (heads + 2 kv_heads) * head_size; "+=" accumulates into fp32:
///   gemm                    A(T), B(T), C(T or += fp32)
///   gemm (fp8)              A(T), B(fp8_e4m3), scale_a(fp32, 1), scale_b(fp32, 1),
///                           C(bf16 or += fp32) = scale_a * scale_b * A B
///   grouped_gemm            A(T), B(T), ends(int32, groups: one past each group's last row),
///                           C(T or += fp32), as GroupedGemmShape says
///   attention_forward       qkv(T, tokens*w), out(T, tokens*heads*value_size) w,
///                           lse(fp32, batch*heads*length) w; not packed: q, k, v for qkv. A query
///                           that sees no key gives out 0 and lse -infinity
///   attention_backward      qkv, out, lse, d_out(T), d_qkv(T, tokens*w) w; not packed: q, k, v,
///                           out, lse, d_out, dq w, dk w, dv w
///   decode_attention        q(T, batch*heads*head_size), k_cache(T, [batch][kv_heads][context]
///                           [head_size]), v_cache(T, ... [value_size]),
///                           out(T, batch*heads*value_size) w
///   latent_decode_attention q, cache(T, [batch][kv_heads][context][head_size]), out: the values
///                           are the first value_size elements of the cache's rows
///   rms_norm_forward        x(T, r*c), weight(T, c), y(T, r*c) w, rstd(fp32, r) w
///   rms_norm_backward       x, weight, rstd, dy(T), dx(T) w, d_weight(+= fp32, c)
///   layer_norm_forward      x, weight, bias(T, c), y w, stats(fp32, 2*r: means, then rstds) w
///   layer_norm_backward     x, weight, stats, dy, dx w, d_weight(+=), d_bias(+=)
///   qk_norm_forward         qkv(T, tokens*w), q_weight(T, head_size), k_weight(T, head_size),
///                           qkv_out(T, tokens*w) w, rstd(fp32, tokens*(heads+kv_heads)) w
///   qk_norm_backward        qkv, q_weight, k_weight, rstd, d_qkv(T) in place,
///                           dq_weight(+=), dk_weight(+=)
///   layer_norm_nobias_forward, _backward: as layer_norm_, without bias and d_bias
///   rope_forward/_backward  qkv(T, tokens*w) in place (q and k heads; non-interleaved halves of
///                           their first rotary_size elements)
///   swiglu_forward          u(T, r*2c: [gate|up] per row), y(T, r*c) w       columns = outputs
///   swiglu_backward         u, dy(T, r*c), du(T, r*2c) w
///   gelu_forward            u(T, r*c), y w                                   tanh form
///   gelu_backward           u, dy, du w
///   geglu_                  as swiglu_, with GELU (tanh form) of the gate
///   relu_                   as gelu_
///   softcap_forward         x(T, r*c), y(T, r*c) w = cap * tanh(x / cap)
///   softcap_backward        x, dy, dx(T, r*c) w                              dx may be dy
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
///   widen                   from(T, n), to(fp32, n) w
///   narrow                  from(fp32, n), to(T, n) w
///   accumulate              from(T, n), to(+= fp32, n)
///   square_sum              x(T, n), sum(+= fp32, 1): of the squares
///   scale                   x(T, n) in place = scale * x
///   zero                    values(T, n) w
///   copy                    from(T, n), to(T, n) w
///   dequantize              codes(uint8, n/2: the first of a pair in the high bits), blocks(uint8,
///                           n/64), groups(fp32, n/64/256), to(T, n) w =
///                           level[code] * block * group / 255, as kernels/nf4.hpp says
/// Attention that stores its scores, as before FlashAttention; R = batch * heads * length rows of
/// `keys` scores each, row = (sequence * heads + head) * length + query; qkv packed as above:
///   scores_forward          qkv(T), scores(T, R*keys) w: Q K^T
///   softmax_forward         scores(T), probabilities(T, R*keys) w: of the visible scores over
///                           sqrt(head_size); 0 where the mask hides
///   context_forward         probabilities(T), qkv(T), out(T, tokens*heads*value_size) w
///   context_backward        probabilities, qkv, d_out(T), d_probabilities(T) w,
///                           dv(T, tokens*kv_heads*value_size) w
///   softmax_backward        probabilities, d_probabilities, d_scores(T, R*keys) w
///   scores_backward         d_scores, qkv, dv(T), d_qkv(T) w: dv is copied into its place
/// Dropout keeps an element where its mask is not 0 and divides it by `keep`:
///   dropout_forward         x(T, r*c), y(T, r*c) w, mask(uint8, r*c) w
///   dropout_backward        dy(T, r*c), mask(uint8), dx(T, r*c) w
///   bias_dropout_add_forward x(T, r*c), bias(T, c), residual(T, r*c), y(T, r*c) w, mask(uint8) w
///   bias_gelu_forward       u(T, r*c), bias(T, c), y(T, r*c) w
///   bias_gelu_backward      u, bias, dy, du w
///   cast (fp8)              x(bf16, r*c), scale(fp32, 1), y(T, r*c) w = x * scale saturated,
///                           y_transposed(T, c*r) w, amax(fp32, 1) w: the largest |x|
///   add_rms_norm_forward    x(T, r*c), residual(T, r*c), weight(T, c), sum(T, r*c) w,
///                           y(T, r*c) w: the norm of the stored sum, rstd(fp32, r) w
///   add_rms_norm_backward   sum, weight, rstd, dy, d_sum(T, r*c: what reaches the sum from
///                           elsewhere), dx(T, r*c) w: of x and residual alike, d_weight(+=)
///   add_layer_norm_forward  x, residual, weight, bias(T, c), sum w, y w, stats(fp32, 2*r) w
///   add_layer_norm_backward sum, weight, stats, dy, d_sum, dx w, d_weight(+=), d_bias(+=)
/// Mixture of experts; t tokens, k = top_k, E experts:
///   router_forward          logits(T, t*E), weights(fp32, t*k) w: softmax over the chosen logits,
///                           chosen(int32, t*k) w: by falling logit, the lower index of equals
///   router_backward         chosen, weights, d_weights(fp32, t*k), d_logits(T, t*E) w
///   expert_sort (int32)     chosen, ends(int32, E) w: as in grouped_gemm, row_of(int32, t*k) w:
///                           where the copy of a token for a choice goes; stable, no two alike
///   permute_forward         x(T, t*c), row_of, y(T, t*k*c) w
///   permute_backward        dy(T, t*k*c), row_of, dx(T, t*c) w: the sum over a token's copies
///   unpermute_forward       y(T, t*k*c), row_of, weights(fp32, t*k), out(T, t*c) w: weighted sum
///   unpermute_backward      y, row_of, weights, d_out(T, t*c), dy(T, t*k*c) w, d_weights(fp32) w
/// State-space models; row = position * batch + sequence, d channels, N state, H heads of size P,
/// G groups, head h reads group h / (H / G); dt = softplus(raw + bias), A = -exp(A_log):
///   conv1d_forward          x(T, tokens*d), weight(T, d*width; the last tap is the present), bias
///                           (T, d), y(T) w = silu(convolution + bias)
///   conv1d_backward         x, weight, bias, dy, dx w, d_weight(+= fp32), d_bias(+= fp32)
///   ssd_forward             x(T, tokens*H*P), dt(T, tokens*H), B(T, tokens*G*N), C(T, tokens*G*N),
///                           dt_bias(fp32, H), A_log(fp32, H), D(fp32, H), y(T, tokens*H*P) w:
///                           S_i = exp(dt_i A) S_(i-1) + dt_i x_i B_i^T, y_i = S_i C_i + D x_i
///   ssd_backward            the seven inputs, dy, dx w, d_dt(T) w, dB w, dC w, d_dt_bias(+=),
///                           dA_log(+=), dD(+=)
///   selective_scan_forward  x(T, tokens*d), dt(T, tokens*d), B(T, tokens*N), C(T, tokens*N),
///                           z(T, tokens*d), dt_bias(fp32, d), A_log(fp32, d*N), D(fp32, d),
///                           y(T, tokens*d) w: the same recurrence for each channel with its own
///                           row of A, times silu(z)
///   selective_scan_backward the eight inputs, dy, dx w, d_dt w, dB w, dC w, dz w, d_dt_bias(+=),
///                           dA_log(+=), dD(+=)
///   delta_rule_forward      q(T, tokens*key_heads*K), k(T, the same), v(T, tokens*heads*V),
///                           decay(T, tokens*heads), beta(T, tokens*heads), dt_bias(fp32, heads),
///                           A_log(fp32, heads), y(T, tokens*heads*V) w, with keys of unit length:
///                           S_i = exp(dt_i A) S_(i-1) (I - b_i k_i k_i^T) + b_i v_i k_i^T,
///                           y_i = S_i q_i, b = sigmoid(beta); no device here runs it yet
///   delta_rule_backward     the seven inputs, dy, dq w, dk w, dv w, d_decay w, d_beta w,
///                           d_dt_bias(+=), dA_log(+=)
/// Gates, and norms behind gates:
///   relu_squared_           as gelu_: max(u, 0)^2
///   row_gate_forward        x(T, r*c), gate(T, r), y(T, r*c) w = sigmoid(gate) x, a gate a row
///   row_gate_backward       x, gate, dy, dx w, d_gate(T, r) w
///   sigmoid_gate_           the same with gate(T, r*c)
///   gated_norm_forward      x(T, r*c), z(T, r*c), weight(T, c), y(T, r*c) w, rstd(fp32, r*groups)
///                           w: RMSNorm of x silu(z) over each group of columns
///   gated_norm_backward     x, z, weight, rstd, dy, dx w, dz w, d_weight(+= fp32, c)
/// Columns [first, first + columns) of rows of `width`:
///   take_columns            wide(T, rows*width), part(T, rows*columns) w
///   put_columns             part(T, rows*columns), wide(T, rows*width): these columns w
/// Latent attention, heads of n = nope_size, p = rope_size and V = value_size elements:
///   latent_query_forward/_backward  q(T, tokens*heads*(n + p)) in place: rope on the last p of a
///                           head
///   latent_keys_forward     kv(T, tokens*heads*(n + V)), k_rope(T, tokens*p),
///                           k(T, tokens*heads*(n + p)) w, v(T, tokens*heads*V) w: each head's own
///                           key and the turned one that all heads share
///   latent_keys_backward    dk, dv, dkv w, dk_rope w: the sum over heads, turned back
/// The cross-entropy kernels look at columns [0, valid) only; columns beyond get gradient 0.
[[nodiscard]] std::vector<Operand> operands_of(const KernelKey& key);

/// Values of the int32 operand `name` that a kernel can be timed with: tokens and targets that the
/// table holds, ends of the groups of `group_rows`, distinct choices of experts, a permutation.
[[nodiscard]] std::vector<std::int32_t> sample_indices(const KernelKey& key,
                                                       std::string_view name,
                                                       std::uint64_t seed);

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
  double scale = 1.0;  ///< cross_entropy_gradient, scale
  double keep = 0.9;   ///< of dropout: the probability to keep an element
  std::uint64_t dropout_seed = 1;
  std::int64_t first = 0;  ///< first vocabulary row or first token row held here
  std::int64_t valid = std::numeric_limits<std::int64_t>::max();  ///< real vocabulary columns here
  double rope_theta = 10000.0;
  double norm_epsilon = 1e-5;
  double softcap = 50.0;        ///< softcap_, and attention with capped scores (Gemma 2's value)
  std::int64_t first_head = 0;  ///< of ALiBi: the first query head held here
  std::int64_t all_heads = 0;   ///< of ALiBi: query heads of all ranks; 0: those of the key
  AdamWScalars adamw = {};
};

}  // namespace forerun
