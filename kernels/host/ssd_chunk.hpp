// One chunk of one head of Mamba-2's state-space dual form, as both directions see it.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/host/scan_kernels.hpp"

namespace forerun::host {

/// Sizes of one head's work; the last chunk is padded with positions whose dt is 0: they add
/// nothing and let the state pass.
struct SsdSizes {
  explicit SsdSizes(const SsdShape& shape);

  std::int64_t chunk = 0;
  std::int64_t chunks = 0;
  std::int64_t head_size = 0;
  std::int64_t state = 0;

  [[nodiscard]] std::int64_t square() const { return chunk * chunk; }

  [[nodiscard]] std::int64_t values() const { return chunk * head_size; }

  [[nodiscard]] std::int64_t projected() const { return chunk * state; }

  [[nodiscard]] std::int64_t states() const { return head_size * state; }
};

/// Where one head of one sequence reads, and its parameters.
struct SsdHead {
  SsdHead(const KernelCall& kernel_call, std::int64_t sequence_and_head);

  [[nodiscard]] std::int64_t row(std::int64_t position) const {
    return position * shape.batch + sequence;
  }

  /// First element of the head's values, of its dt, of its group's B and C at a position.
  [[nodiscard]] std::int64_t value(std::int64_t position) const {
    return (row(position) * shape.heads + head) * shape.head_size;
  }

  [[nodiscard]] std::int64_t step(std::int64_t position) const {
    return row(position) * shape.heads + head;
  }

  [[nodiscard]] std::int64_t projection(std::int64_t position) const {
    return (row(position) * shape.groups + head / (shape.heads / shape.groups)) * shape.state;
  }

  const KernelCall& call;
  const SsdShape& shape;
  std::int64_t sequence;
  std::int64_t head;
  float dt_bias;
  float a;  ///< -exp(A_log)
  float skip;
};

/// A chunk's inputs in fp32, and what follows from its steps: sums[i] = sum over j <= i of dt_j a.
struct SsdChunk {
  /// `memory` holds `floats(sizes)`.
  SsdChunk(const SsdSizes& sizes, float* memory);
  [[nodiscard]] static std::int64_t floats(const SsdSizes& sizes);

  void load(const SsdHead& head, std::int64_t first);

  /// exp(sums_i), of what came in before the chunk; exp(sums_last - sums_i), of what i adds.
  [[nodiscard]] float decay_until(std::int64_t i) const;
  [[nodiscard]] float decay_after(std::int64_t i) const;

  /// exp(sums of the whole chunk): what is left of the state that came in.
  [[nodiscard]] float kept() const;

  SsdSizes sizes;
  std::int64_t count = 0;  ///< real positions
  float* x = nullptr;      ///< [chunk x head_size]
  float* b = nullptr;      ///< [chunk x state]
  float* c = nullptr;
  float* raw = nullptr;  ///< [chunk], dt before bias and softplus
  float* dt = nullptr;   ///< [chunk]
  /// [chunk]; in double, for sums run into hundreds and decays come from differences of neighbours.
  std::vector<double> sums;
};

/// masked[i][j] = products[i][j] exp(sums_i - sums_j) dt_j for j <= i, else 0.
void mask_products(const SsdChunk& chunk, const float* products, float* masked);

/// to[i] = from[i] factors[i], row by row of `width` elements.
void scale_rows(
    const float* from, const float* factors, std::int64_t rows, std::int64_t width, float* to);

/// state = kept state + sum over j of exp(sums_last - sums_j) dt_j x_j b_j^T. `scratch` holds
/// [chunk x head_size] and [chunk].
void advance_state(ChunkProducts& products, const SsdChunk& chunk, float* scratch, float* state);

}  // namespace forerun::host
