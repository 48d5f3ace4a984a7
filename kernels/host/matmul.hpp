// One oneDNN matrix product of fixed shape, prepared once and run on changing addresses.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "kernels/kernel_key.hpp"
#include "units/data_type.hpp"

namespace forerun::host {

/// The shape of C = A B.
[[nodiscard]] inline GemmShape product(std::int64_t m,
                                       std::int64_t n,
                                       std::int64_t k,
                                       GemmLayout layout) {
  return {m, n, k, layout, GemmOutput::store};
}

/// The shape of C += A B, in fp32.
[[nodiscard]] inline GemmShape sum_of_products(std::int64_t m,
                                               std::int64_t n,
                                               std::int64_t k,
                                               GemmLayout layout) {
  return {m, n, k, layout, GemmOutput::accumulate_fp32};
}

/// Owns its scratch memory, so an object serves one thread at a time; the product itself uses the
/// OpenMP threads that were available when it was made (one, inside a parallel region).
class Matmul {
 public:
  /// Row-major and dense, as GemmShape states. Throws std::runtime_error when oneDNN has no such
  /// product.
  Matmul(const GemmShape& shape, DataType type);
  Matmul(Matmul&& other) noexcept;
  Matmul& operator=(Matmul&& other) noexcept;
  Matmul(const Matmul&) = delete;
  Matmul& operator=(const Matmul&) = delete;
  ~Matmul();

  void run(const void* a, const void* b, void* c);

  /// oneDNN's name of the code that it chose.
  [[nodiscard]] std::string implementation() const;

 private:
  struct Prepared;
  std::unique_ptr<Prepared> prepared_;
};

}  // namespace forerun::host
