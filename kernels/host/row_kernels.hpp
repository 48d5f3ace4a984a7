// The kernels that need no state between calls, each on the operands that kernels/operands.hpp
// lists for it. fp32 arithmetic and accumulation whatever the storage; deterministic for a given
// number of threads.
#pragma once

#include "kernels/host/kernel_call.hpp"

namespace forerun::host {

/// y = x rstd w, rstd = 1 / sqrt(mean(x^2) + epsilon) (Zhang, Sennrich 2019, arXiv 1910.07467).
void rms_norm_forward(const KernelCall& call);
void rms_norm_backward(const KernelCall& call);
/// y = (x - mean) rstd w + b (Ba, Kiros, Hinton 2016, arXiv 1607.06450); variance over n, not n
/// - 1.
void layer_norm_forward(const KernelCall& call);
void layer_norm_backward(const KernelCall& call);
void layer_norm_nobias_forward(const KernelCall& call);
void layer_norm_nobias_backward(const KernelCall& call);
/// The same norms of a sum that is formed first and kept (stored, then read back: bf16 rounds it).
void add_rms_norm_forward(const KernelCall& call);
void add_rms_norm_backward(const KernelCall& call);
void add_layer_norm_forward(const KernelCall& call);
void add_layer_norm_backward(const KernelCall& call);
/// RMSNorm of each query head with q_weight and each key head with k_weight; value heads pass
/// through. rstd is indexed [token][query heads, then key heads].
void qk_norm_forward(const KernelCall& call);
void qk_norm_backward(const KernelCall& call);

/// y = gate sigmoid(gate) up (Shazeer 2020, arXiv 2002.05202).
void swiglu_forward(const KernelCall& call);
void swiglu_backward(const KernelCall& call);
/// y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks, Gimpel 2016, arXiv 1606.08415).
void gelu_forward(const KernelCall& call);
void gelu_backward(const KernelCall& call);
/// y = gelu(gate) up (arXiv 2002.05202).
void geglu_forward(const KernelCall& call);
void geglu_backward(const KernelCall& call);
/// y = max(x, 0); no gradient at 0.
void relu_forward(const KernelCall& call);
void relu_backward(const KernelCall& call);
/// y = max(x, 0)^2 (So et al. 2021, Primer, arXiv 2109.08668, section 4).
void relu_squared_forward(const KernelCall& call);
void relu_squared_backward(const KernelCall& call);
/// y = sigmoid(gate) x, one gate a row (the shared expert of Qwen2-MoE) or one an element.
void row_gate_forward(const KernelCall& call);
void row_gate_backward(const KernelCall& call);
void sigmoid_gate_forward(const KernelCall& call);
void sigmoid_gate_backward(const KernelCall& call);
/// RMSNorm of x silu(z) over groups of columns (state-spaces/mamba, RMSNormGated with
/// norm_before_gate off).
void gated_norm_forward(const KernelCall& call);
void gated_norm_backward(const KernelCall& call);
void take_columns(const KernelCall& call);
void put_columns(const KernelCall& call);
/// Heads of latent attention; rope turns non-interleaved halves.
void latent_query(const KernelCall& call);
void latent_keys_forward(const KernelCall& call);
void latent_keys_backward(const KernelCall& call);
/// y = cap tanh(x / cap) (Gemma 2, arXiv 2408.00118, section 2).
void softcap_forward(const KernelCall& call);
void softcap_backward(const KernelCall& call);

void add(const KernelCall& call);
void scale(const KernelCall& call);
void bias_forward(const KernelCall& call);
void bias_backward(const KernelCall& call);
void zero(const KernelCall& call);
void copy(const KernelCall& call);

void embedding_forward(const KernelCall& call);
void embedding_backward(const KernelCall& call);
/// Both throw std::invalid_argument when a position lies beyond the table.
void position_forward(const KernelCall& call);
void position_backward(const KernelCall& call);

/// Softmax cross-entropy over a vocabulary that may be split: maxima and sums are combined between
/// the calls (Megatron-LM's vocab-parallel cross-entropy, arXiv 1909.08053, section 3).
void cross_entropy_max(const KernelCall& call);
void cross_entropy_sum(const KernelCall& call);
void cross_entropy_gradient(const KernelCall& call);

/// Decoupled weight decay (Loshchilov, Hutter 2019, arXiv 1711.05101, algorithm 2, with the
/// schedule multiplier in the learning rate, as PyTorch's AdamW).
void adamw(const KernelCall& call);

}  // namespace forerun::host
