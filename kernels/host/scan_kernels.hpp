// Kernels of state-space models, on the operands that kernels/operands.hpp lists.
#pragma once

#include <map>
#include <vector>

#include "kernels/host/aligned_memory.hpp"
#include "kernels/host/kernel_call.hpp"
#include "kernels/host/matmul.hpp"

namespace forerun::host {

/// Causal depthwise convolution and SiLU; channels lie in vector lanes.
void conv1d_forward(const KernelCall& call);

/// Keeps its memory: fresh pages for every call took longer than the convolution.
class Conv1dBackward {
 public:
  void run(const KernelCall& call);

 private:
  FloatScratch gradients_;  // before the activation, [tokens x channels]
};

/// Mamba-1 (Gu, Dao 2023, arXiv 2312.00752, algorithm 2): threads share out (sequence, block of
/// channels), channels lie in vector lanes, states stay in the first-level cache. Backward keeps
/// the state before every 64th position and forms the ones between again.
void selective_scan_forward(const KernelCall& call);
void selective_scan_backward(const KernelCall& call);

/// One thread's prepared products, made where they run, so that they use one thread.
class ChunkProducts {
 public:
  void run(const GemmShape& shape, const float* a, const float* b, float* c);

 private:
  std::map<GemmShape, Matmul> products_;
};

/// Mamba-2's state-space dual form in chunks (Dao, Gu 2024, arXiv 2405.21060, section 6): inside a
/// chunk attention without softmax under a mask of decays, between chunks a state of [head_size x
/// state]. Decays are exponentials of sums of dt A within a chunk, never positive. Threads share
/// out (sequence, head); gradients of B and C are summed by thread, then over threads in order.
class Ssd {
 public:
  void run_forward(const KernelCall& call);
  void run_backward(const KernelCall& call);

 private:
  struct Worker {
    ChunkProducts products;
    FloatScratch memory;
  };

  [[nodiscard]] std::vector<Worker>& workers();

  std::vector<Worker> workers_;
};

}  // namespace forerun::host
