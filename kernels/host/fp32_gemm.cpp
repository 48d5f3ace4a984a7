#include "kernels/host/fp32_gemm.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

#include <dnnl.hpp>
#include <fmt/format.h>

#include "kernels/host/aligned_memory.hpp"

namespace forerun::host {
namespace {

void multiply(const GemmShape& s, const Fp32Matrices& matrices) {
  const bool a_transposed = s.layout == GemmLayout::tn;
  const bool b_transposed = s.layout == GemmLayout::nt;
  const float keep = s.output == GemmOutput::accumulate_fp32 ? 1.0F : 0.0F;
  const dnnl_status_t status = dnnl_sgemm(a_transposed ? 'T' : 'N',
                                          b_transposed ? 'T' : 'N',
                                          s.m,
                                          s.n,
                                          s.k,
                                          1.0F,
                                          matrices.a,
                                          a_transposed ? s.m : s.k,
                                          matrices.b,
                                          b_transposed ? s.k : s.n,
                                          keep,
                                          matrices.c,
                                          s.n);
  if (status != dnnl_success) {
    throw std::runtime_error(fmt::format("{}:{}: dnnl_sgemm(m={}, n={}, k={}): status {}",
                                         __FILE__,
                                         __LINE__,
                                         s.m,
                                         s.n,
                                         s.k,
                                         static_cast<int>(status)));
  }
}

double seconds_of(const auto& run) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  run();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Whether `second` is faster than `first`: both in turn, a round to warm up and six more, of which
// each one's best counts; fewer when they take longer than half a second in all.
bool is_faster(const auto& second, const auto& first) {
  constexpr int rounds = 7;
  constexpr double patience = 0.5;
  double best_first = std::numeric_limits<double>::infinity();
  double best_second = best_first;
  double spent = 0.0;
  for (int round = 0; round < rounds && (round == 0 || spent < patience); ++round) {
    const double of_first = seconds_of(first);
    const double of_second = seconds_of(second);
    spent += of_first + of_second;
    best_first = round == 1 ? of_first : std::min(best_first, of_first);
    best_second = round == 1 ? of_second : std::min(best_second, of_second);
  }
  return best_second < best_first;
}

}  // namespace

void Fp32Gemm::prepare(const GemmShape& shape, const Fp32Matrices& matrices) {
  if (prepared_.contains(shape)) {
    return;
  }
  std::optional<Matmul>& winner = prepared_[shape];
  try {
    FloatScratch sums;
    Fp32Matrices trial = matrices;
    if (shape.output == GemmOutput::accumulate_fp32) {
      trial.c = sums.at_least(shape.m * shape.n);
    }
    Matmul primitive(shape, DataType::fp32);
    if (is_faster([&] { primitive.run(trial.a, trial.b, trial.c); },
                  [&] { multiply(shape, trial); })) {
      winner = std::move(primitive);
    }
  } catch (const std::bad_alloc&) {
    // No memory for the sums of a trial: the product itself may still have enough.
  }
}

void Fp32Gemm::run(const GemmShape& shape, const Fp32Matrices& matrices) {
  const auto found = prepared_.find(shape);
  if (found != prepared_.end() && found->second) {
    found->second->run(matrices.a, matrices.b, matrices.c);
  } else {
    multiply(shape, matrices);
  }
}

std::string Fp32Gemm::algorithm_of(const GemmShape& shape) const {
  const auto found = prepared_.find(shape);
  return found != prepared_.end() && found->second ? found->second->implementation() : "dnnl_sgemm";
}

}  // namespace forerun::host
