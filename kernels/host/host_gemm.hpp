// Matrix products of the host device, by oneDNN.
#pragma once

#include <map>
#include <string>

#include "kernels/host/aligned_memory.hpp"
#include "kernels/host/fp32_gemm.hpp"
#include "kernels/host/kernel_call.hpp"
#include "kernels/host/matmul.hpp"

namespace forerun::host {

/// How a bf16 product is computed: by oneDNN's bf16 matmul, or by converting the operands to fp32
/// scratch and running the fp32 product.
enum class Bf16Gemm { native, converted };

/// `native` where the CPU multiplies bf16 (AVX512-BF16, AMX). Below that oneDNN 2.6 emulates, at a
/// quarter of the speed of converting (25 against 110 GFLOP/s on one AVX-512 core without BF16).
[[nodiscard]] Bf16Gemm fastest_bf16_gemm();

class HostGemm {
 public:
  explicit HostGemm(Bf16Gemm bf16) : bf16_(bf16) {}

  [[nodiscard]] Bf16Gemm bf16() const { return bf16_; }

  /// Finds out, once a shape, how fp32 is multiplied fastest; needs the operands of `run`.
  void prepare(const KernelCall& call);

  void run(const KernelCall& call);

  /// Copies in fp32 of what is converted; the sums that `prepare` tries a product on.
  [[nodiscard]] Bytes scratch(const KernelKey& key) const;

  /// oneDNN's name of the implementation: "dnnl_sgemm", "brg:avx512_core_bf16", ...
  [[nodiscard]] std::string algorithm_of(const KernelKey& key);

 private:
  static bool has_few_rows(const GemmShape& shape);
  void run_converted(const KernelCall& call);
  void run_native(const KernelCall& call);
  [[nodiscard]] Matmul& native(const GemmShape& shape);

  Bf16Gemm bf16_;
  Fp32Gemm fp32_;
  FloatScratch a_;
  FloatScratch b_;
  FloatScratch c_;
  std::map<GemmShape, Matmul> native_;  // one prepared product a shape
};

}  // namespace forerun::host
