// fp32 matrix products by whichever of oneDNN's two entries is faster for the shape.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "kernels/host/matmul.hpp"
#include "kernels/kernel_shape.hpp"

namespace forerun::host {

struct Fp32Matrices {
  const float* a = nullptr;
  const float* b = nullptr;
  float* c = nullptr;
};

/// dnnl_sgemm or the matmul primitive. Neither wins everywhere: on one AVX-512 core the first was
/// up to twice as fast where the leading dimension is a multiple of 1024, the second a quarter
/// faster for m=1024 n=768 k=3072 nt.
class Fp32Gemm {
 public:
  /// Times both on these matrices, once a shape, and keeps the faster for `run`. C is overwritten
  /// when the shape stores, and left alone when it accumulates.
  void prepare(const GemmShape& shape, const Fp32Matrices& matrices);

  /// A shape that was not prepared runs by dnnl_sgemm, which needs no preparation.
  void run(const GemmShape& shape, const Fp32Matrices& matrices);

  /// "dnnl_sgemm", or oneDNN's name of the primitive's implementation.
  [[nodiscard]] std::string algorithm_of(const GemmShape& shape) const;

 private:
  std::map<GemmShape, std::optional<Matmul>> prepared_;  // empty where dnnl_sgemm won
};

}  // namespace forerun::host
