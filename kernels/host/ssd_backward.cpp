// Mamba-2's state-space dual form: the backward pass.
//
// With G = C B^T, L_ij = exp(sums_i - sums_j) for j <= i, M = G L dt_j, E_i = exp(sums_i),
// w_j = exp(sums_last - sums_j) dt_j, S the state that comes in and R that which goes out:
//   Y = M X + (E C) S^T + D X,  R = E_last S + (w X)^T B.
#include <algorithm>
#include <cmath>
#include <vector>

#include <omp.h>

#include "kernels/host/fast_exp.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "kernels/host/reductions.hpp"
#include "kernels/host/ssd_chunk.hpp"
#include "units/multiversion.hpp"

namespace forerun::host {
namespace {

// What a decay gives to one step's sum it takes from another's: over a chunk the terms cancel all
// but a small rest, and only their sums in double leave fp32's accuracy to that rest.
struct StepGradients {
  float* d_dt = nullptr;
  double* d_sums = nullptr;
};

// A row of dM and G becomes one of dG = dM L dt, in place of dM; `d_dt` gets dM G L, `d_sums` loses
// dM M for the column. Returns the row's sum of dM M.
FORERUN_MULTIVERSION double differentiate_row(const SsdChunk& chunk,
                                              std::int64_t i,
                                              const float* products,
                                              float* d_masked,
                                              const StepGradients& to) {
  const double sum = chunk.sums[static_cast<std::size_t>(i)];
  const double* const sums = chunk.sums.data();
  const float* const dt = chunk.dt;
  double total = 0.0;
#pragma omp simd reduction(+ : total)
  for (std::int64_t j = 0; j <= i; ++j) {
    const float decay = fast_exp_or_zero(static_cast<float>(sum - sums[j]));
    const float direct = d_masked[j] * products[j] * decay;
    to.d_dt[j] += direct;
    const float product = direct * dt[j];
    to.d_sums[j] -= static_cast<double>(product);
    total += static_cast<double>(product);
    d_masked[j] *= decay * dt[j];
  }
  return total;
}

// One head of one sequence, chunk by chunk from the last to the first.
class SsdBackwardHead {
 public:
  SsdBackwardHead(const SsdHead& head,
                  const SsdSizes& sizes,
                  ChunkProducts& products,
                  float* memory)
      : head_(head),
        z_(sizes),
        products_(products),
        chunk_(sizes, memory),
        d_sums_(static_cast<std::size_t>(sizes.chunk)) {
    float* at = memory + SsdChunk::floats(z_);
    const auto take = [&at](std::int64_t count) {
      float* const taken = at;
      at += count;
      return taken;
    };
    states_ = take(z_.chunks * z_.states());
    d_state_ = take(z_.states());
    plain_ = take(z_.square());
    masked_ = take(z_.square());
    d_masked_ = take(z_.square());
    dy_ = take(z_.values());
    dx_ = take(z_.values());
    by_position_ = take(std::max(z_.values(), z_.projected()) + z_.chunk);
    passed_ = take(z_.projected());
    d_b_ = take(z_.projected());
    d_c_ = take(z_.projected());
    d_dt_ = take(z_.chunk);
    weights_ = take(z_.chunk);
  }

  [[nodiscard]] static std::int64_t floats(const SsdSizes& z) {
    return SsdChunk::floats(z) + (z.chunks + 1) * z.states() + 3 * z.square() + 2 * z.values() +
           std::max(z.values(), z.projected()) + 3 * z.projected() + 3 * z.chunk;
  }

  // `d_b`, `d_c`: [tokens x groups x state], this thread's.
  void run(float* d_b, float* d_c) {
    keep_states();
    std::fill_n(d_state_, z_.states(), 0.0F);
    for (std::int64_t i = z_.chunks - 1; i >= 0; --i) {
      run_chunk(i);
      store(i * z_.chunk, d_b, d_c);
    }
    head_.call.floats(12)[head_.head] += static_cast<float>(d_bias_);
    // dA / dA_log = A
    head_.call.floats(13)[head_.head] += static_cast<float>(d_a_ * static_cast<double>(head_.a));
    head_.call.floats(14)[head_.head] += d_skip_;
  }

 private:
  static std::size_t at(std::int64_t position) { return static_cast<std::size_t>(position); }

  // The state before every chunk.
  void keep_states() {
    std::fill_n(states_, z_.states(), 0.0F);
    for (std::int64_t i = 0; i + 1 < z_.chunks; ++i) {
      float* const next = states_ + (i + 1) * z_.states();
      std::copy_n(states_ + i * z_.states(), z_.states(), next);
      chunk_.load(head_, i * z_.chunk);
      advance_state(products_, chunk_, by_position_, next);
    }
  }

  void run_chunk(std::int64_t which) {
    const std::int64_t first = which * z_.chunk;
    chunk_.load(head_, first);
    std::fill_n(dy_, z_.values(), 0.0F);
    for (std::int64_t i = 0; i < chunk_.count; ++i) {
      head_.call.array(7).read_into(dy_ + i * z_.head_size, head_.value(first + i), z_.head_size);
    }
    std::fill_n(d_dt_, z_.chunk, 0.0F);
    std::ranges::fill(d_sums_, 0.0);
    inside();
    const float* const state = states_ + which * z_.states();
    from_state(state);
    into_state(state);
    skip();
    steps();
  }

  // Y = M X: dX, dC, dB, and what dt and the decays did.
  void inside() {
    const std::int64_t n = z_.chunk;
    products_.run(product(n, n, z_.state, GemmLayout::nt), chunk_.c, chunk_.b, plain_);
    mask_products(chunk_, plain_, masked_);
    products_.run(product(n, z_.head_size, n, GemmLayout::tn), masked_, dy_, dx_);
    products_.run(product(n, n, z_.head_size, GemmLayout::nt), dy_, chunk_.x, d_masked_);
    for (std::int64_t i = 0; i < n; ++i) {
      float* const row = d_masked_ + i * n;
      d_sums_[at(i)] += differentiate_row(chunk_, i, plain_ + i * n, row, {d_dt_, d_sums_.data()});
      std::fill(row + i + 1, row + n, 0.0F);
    }
    products_.run(product(n, z_.state, n, GemmLayout::nn), d_masked_, chunk_.b, d_c_);
    products_.run(product(n, z_.state, n, GemmLayout::tn), d_masked_, chunk_.c, d_b_);
  }

  // Y += (E C) S^T: `passed` = dY S is the gradient of E C.
  void from_state(const float* state) {
    const std::int64_t n = z_.chunk;
    products_.run(product(n, z_.state, z_.head_size, GemmLayout::nn), dy_, state, passed_);
    for (std::int64_t i = 0; i < n; ++i) {
      weights_[i] = chunk_.decay_until(i);
      const float* const row = passed_ + i * z_.state;
      add_scaled(row, weights_[i], d_c_ + i * z_.state, z_.state);
      d_sums_[at(i)] +=
          static_cast<double>(weights_[i] * dot(row, chunk_.c + i * z_.state, z_.state));
    }
  }

  // R = E_last S + (w X)^T B, and the gradient of S from both of its uses.
  void into_state(const float* state) {
    const std::int64_t n = z_.chunk;
    const float kept = chunk_.kept();
    auto d_last = static_cast<double>(kept * dot(d_state_, state, z_.states()));
    // dR applied to B: [chunk x head_size], what w x is multiplied with.
    products_.run(
        product(n, z_.head_size, z_.state, GemmLayout::nt), chunk_.b, d_state_, by_position_);
    for (std::int64_t j = 0; j < n; ++j) {
      const float decay = chunk_.decay_after(j);
      const float weight = decay * chunk_.dt[j];
      const float* const row = by_position_ + j * z_.head_size;
      const float d_weight = dot(row, chunk_.x + j * z_.head_size, z_.head_size);
      add_scaled(row, weight, dx_ + j * z_.head_size, z_.head_size);
      d_dt_[j] += d_weight * decay;
      const auto product = static_cast<double>(d_weight * weight);
      d_sums_[at(j)] -= product;
      d_last += product;
      weights_[j] = weight;
    }
    d_sums_[at(n - 1)] += d_last;
    scale_rows(chunk_.x, weights_, n, z_.head_size, by_position_);
    products_.run(
        sum_of_products(n, z_.state, z_.head_size, GemmLayout::nn), by_position_, d_state_, d_b_);
    // dS = E_last dR + dY^T (E C).
    for (std::int64_t i = 0; i < n; ++i) {
      weights_[i] = chunk_.decay_until(i);
    }
    scale_rows(chunk_.c, weights_, n, z_.state, passed_);
    add_scaled(d_state_, kept - 1.0F, d_state_, z_.states());
    products_.run(
        sum_of_products(z_.head_size, z_.state, n, GemmLayout::tn), dy_, passed_, d_state_);
  }

  void skip() {
    d_skip_ += dot(dy_, chunk_.x, z_.values());
    add_scaled(dy_, head_.skip, dx_, z_.values());
  }

  // sums_i = sum over j <= i of dt_j a: the gradient of dt_j a is that of all later sums.
  void steps() {
    double later = 0.0;
    for (std::int64_t j = z_.chunk - 1; j >= 0; --j) {
      later += d_sums_[at(j)];
      d_dt_[j] += static_cast<float>(later * static_cast<double>(head_.a));
      d_a_ += later * static_cast<double>(chunk_.dt[j]);
    }
  }

  void store(std::int64_t first, float* d_b, float* d_c) {
    const KernelCall& call = head_.call;
    for (std::int64_t i = 0; i < chunk_.count; ++i) {
      const std::int64_t p = first + i;
      const float d_raw = d_dt_[i] * fast_sigmoid(chunk_.raw[i] + head_.dt_bias);
      d_bias_ += static_cast<double>(d_raw);
      call.array(8).commit(head_.value(p), z_.head_size, dx_ + i * z_.head_size);
      call.array(9).commit(head_.step(p), 1, &d_raw);
      add_scaled(d_b_ + i * z_.state, 1.0F, d_b + head_.projection(p), z_.state);
      add_scaled(d_c_ + i * z_.state, 1.0F, d_c + head_.projection(p), z_.state);
    }
  }

  const SsdHead& head_;
  SsdSizes z_;
  ChunkProducts& products_;
  SsdChunk chunk_;
  float* states_ = nullptr;   // [chunks][head_size x state], before each chunk
  float* d_state_ = nullptr;  // of the state after the chunk at hand
  float* plain_ = nullptr;    // G
  float* masked_ = nullptr;   // M
  float* d_masked_ = nullptr;
  float* dy_ = nullptr;
  float* dx_ = nullptr;
  float* by_position_ = nullptr;
  float* passed_ = nullptr;
  float* d_b_ = nullptr;
  float* d_c_ = nullptr;
  float* d_dt_ = nullptr;
  float* weights_ = nullptr;
  std::vector<double> d_sums_;
  double d_bias_ = 0.0;
  double d_a_ = 0.0;
  float d_skip_ = 0.0F;
};

}  // namespace

// A thread takes the same heads of all sequences, because these share the parameters.
void Ssd::run_backward(const KernelCall& call) {
  const auto& s = call.shape<SsdShape>();
  const SsdSizes z(s);
  auto& all = workers();
  const std::int64_t projected = s.batch * s.length * s.groups * s.state;
  ColumnSums d_b(projected);
  ColumnSums d_c(projected);
  parallel_ranges(s.heads, s.batch * s.length * s.head_size, [&](const ThreadRange& range) {
    Worker& worker = all[static_cast<std::size_t>(range.thread)];
    float* const memory = worker.memory.at_least(SsdBackwardHead::floats(z));
    for (std::int64_t head = range.first; head < range.last; ++head) {
      for (std::int64_t sequence = 0; sequence < s.batch; ++sequence) {
        const SsdHead one(call, sequence * s.heads + head);
        SsdBackwardHead(one, z, worker.products, memory)
            .run(d_b.of(range.thread), d_c.of(range.thread));
      }
    }
  });
  std::vector<float> sums(static_cast<std::size_t>(projected), 0.0F);
  d_b.add_to(sums.data());
  call.array(10).commit(0, projected, sums.data());
  std::ranges::fill(sums, 0.0F);
  d_c.add_to(sums.data());
  call.array(11).commit(0, projected, sums.data());
}

}  // namespace forerun::host
