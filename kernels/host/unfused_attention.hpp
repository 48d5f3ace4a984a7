// Attention that stores its scores: the products of whole heads by oneDNN, softmax row by row.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <vector>

#include "kernels/host/aligned_memory.hpp"
#include "kernels/host/attention.hpp"
#include "kernels/host/host_gemm.hpp"
#include "kernels/host/kernel_call.hpp"
#include "kernels/host/matmul.hpp"

namespace forerun::host {

/// What the ops from scores_forward to scores_backward do, as kernels/operands.hpp lists them.
/// Threads share out (sequence, key-value head), so that the sums over a group of query heads have
/// one order.
class UnfusedAttention {
 public:
  explicit UnfusedAttention(Bf16Gemm bf16) : bf16_(bf16) {}

  void run(const KernelCall& call);

  /// Products of one thread, of whole heads; results are added to fp32.
  struct Worker {
    Worker(const AttentionKeyShape& shape, DataType product);

    DataType type;
    Matmul keyed_scores;   ///< [length x keys] += X Y^T over the head size
    Matmul valued_scores;  ///< the same over the value size
    Matmul weighted;       ///< [length x value] += P V
    Matmul to_values;      ///< [keys x value] += P^T X
    Matmul to_queries;     ///< [length x head] += S K
    Matmul to_keys;        ///< [keys x head] += S^T Q
    FloatScratch memory;
  };

 private:
  struct WorkerKind {
    AttentionKeyShape shape;
    DataType type = DataType::fp32;
    friend auto operator<=>(const WorkerKind&, const WorkerKind&) = default;
  };

  [[nodiscard]] std::vector<Worker>& workers_for(const KernelCall& call);

  Bf16Gemm bf16_;
  std::map<WorkerKind, std::vector<Worker>> workers_;
};

/// Kernels without state.
void softmax_forward(const KernelCall& call);
void softmax_backward(const KernelCall& call);
void dropout_forward(const KernelCall& call);
void dropout_backward(const KernelCall& call);
void bias_dropout_add_forward(const KernelCall& call);
void bias_gelu_forward(const KernelCall& call);
void bias_gelu_backward(const KernelCall& call);
void widen(const KernelCall& call);
void narrow(const KernelCall& call);
void accumulate_gradient(const KernelCall& call);
void square_sum(const KernelCall& call);
void dequantize(const KernelCall& call);

}  // namespace forerun::host
