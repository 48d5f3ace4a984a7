// The experts' products, by the products of single experts.
#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/host/expert_kernels.hpp"
#include "kernels/host/parallel_ranges.hpp"
#include "units/integer.hpp"

namespace forerun::host {
namespace {

constexpr std::int64_t tile = 32;

// Element `index` of operand `operand`, of `bytes` each.
char* place(const KernelCall& call, std::size_t operand, std::int64_t index, std::size_t bytes) {
  return static_cast<char*>(call.operands[operand]) + static_cast<std::size_t>(index) * bytes;
}

// `rows` rows of `width` elements, and zeros up to a tile.
char* padded(const char* from, std::int64_t rows, std::size_t row_bytes, FloatScratch& scratch) {
  const auto whole = static_cast<std::size_t>(tile) * row_bytes;
  auto* to = reinterpret_cast<char*>(
      scratch.at_least(static_cast<std::int64_t>(ceil_div(whole, sizeof(float)))));
  const std::size_t used = static_cast<std::size_t>(rows) * row_bytes;
  std::memcpy(to, from, used);
  std::memset(to + used, 0, whole - used);
  return to;
}

}  // namespace

void GroupedGemm::multiply(const KernelCall& call,
                           const GemmShape& shape,
                           std::array<void*, 3> operands) {
  const KernelKey key{KernelOp::gemm, call.key.type, shape};
  gemm_.run({.key = key, .operands = operands, .scalars = call.scalars});
}

void GroupedGemm::run(const KernelCall& call) {
  const auto& s = call.shape<GroupedGemmShape>();
  const std::int32_t* ends = call.integers(2);
  for (std::int64_t group = 0; group < s.groups; ++group) {
    const std::int64_t first = group == 0 ? 0 : ends[group - 1];
    const Rows rows{group, first, ends[group] - first};
    if (s.layout == GemmLayout::tn) {
      weight_gradient(call, rows);
    } else if (rows.count > 0) {
      run_rows(call, rows);
    }
  }
}

void GroupedGemm::run_rows(const KernelCall& call, const Rows& rows) {
  const auto& s = call.shape<GroupedGemmShape>();
  const std::size_t bytes = element_bytes(call.key.type);
  const std::size_t out_bytes = s.output == GemmOutput::store ? bytes : sizeof(float);
  const std::int64_t in = s.layout == GemmLayout::nt ? s.k : s.n;
  const std::int64_t out = s.layout == GemmLayout::nt ? s.n : s.k;
  const std::int64_t whole =
      call.key.type == DataType::bf16 ? rows.count / tile * tile : rows.count;
  char* const weight = place(call, 1, rows.group * s.n * s.k, bytes);
  if (whole > 0) {
    multiply(call,
             {whole, out, in, s.layout, s.output},
             {place(call, 0, rows.first * in, bytes),
              weight,
              place(call, 3, rows.first * out, out_bytes)});
  }
  if (const std::int64_t rest = rows.count - whole; rest > 0) {
    const std::int64_t first = rows.first + whole;
    const std::size_t row_bytes = static_cast<std::size_t>(out) * out_bytes;
    char* const target = place(call, 3, first * out, out_bytes);
    char* const result = padded(target, rest, row_bytes, tail_c_);
    multiply(call,
             {tile, out, in, s.layout, s.output},
             {padded(place(call, 0, first * in, bytes),
                     rest,
                     static_cast<std::size_t>(in) * bytes,
                     tail_a_),
              weight,
              result});
    std::memcpy(target, result, static_cast<std::size_t>(rest) * row_bytes);
  }
}

// C[n x k] = A[rows x n]^T B[rows x k] of one group, summed in fp32 whatever C is.
void GroupedGemm::weight_gradient(const KernelCall& call, const Rows& rows) {
  const auto& s = call.shape<GroupedGemmShape>();
  const std::size_t bytes = element_bytes(call.key.type);
  const std::int64_t outputs = s.n * s.k;
  const bool stores = s.output == GemmOutput::store;
  const std::int64_t first_output = rows.group * outputs;
  float* sums = stores ? sums_.at_least(outputs) : call.floats(3) + first_output;
  if (stores) {
    std::fill_n(sums, outputs, 0.0F);
  }
  const auto add = [&](std::int64_t count, char* a, char* b) {
    multiply(call, {s.n, s.k, count, GemmLayout::tn, GemmOutput::accumulate_fp32}, {a, b, sums});
  };
  const std::int64_t whole =
      call.key.type == DataType::bf16 ? rows.count / tile * tile : rows.count;
  if (whole > 0) {
    add(whole, place(call, 0, rows.first * s.n, bytes), place(call, 1, rows.first * s.k, bytes));
  }
  if (const std::int64_t rest = rows.count - whole; rest > 0) {
    const std::int64_t first = rows.first + whole;
    add(tile,
        padded(place(call, 0, first * s.n, bytes),
               rest,
               static_cast<std::size_t>(s.n) * bytes,
               tail_a_),
        padded(place(call, 1, first * s.k, bytes),
               rest,
               static_cast<std::size_t>(s.k) * bytes,
               tail_b_));
  }
  if (stores) {
    parallel_ranges(outputs, 1, [&](const ThreadRange& range) {
      call.array(3).commit(
          first_output + range.first, range.last - range.first, sums + range.first);
    });
  }
}

}  // namespace forerun::host
