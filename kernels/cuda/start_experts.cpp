// The experts' products and what surrounds them.
#include "kernels/cuda/experts_launch.hpp"
#include "kernels/cuda/grouped_gemm_launch.hpp"
#include "kernels/cuda/own_call.hpp"

namespace forerun::cuda {

void start(const OwnCall& call, const GroupedGemmShape& shape) {
  if (call.key.op != KernelOp::grouped_gemm) {
    fail_mismatch(call.key);
  }
  launch_grouped_gemm(
      call.stream,
      call.key.type,
      shape,
      {.a = call.at[0], .b = call.at[1], .ends = call.integers(2), .c = call.at[3]});
}

void start(const OwnCall& call, const RouterShape& shape) {
  const RouterSize size{call.key.type, shape.tokens, shape.experts, shape.top_k};
  if (call.key.op == KernelOp::router_forward) {
    launch_router_forward(call.stream, size, call.at[0], call.floats(1), call.integers(2));
  } else if (call.key.op == KernelOp::router_backward) {
    launch_router_backward(call.stream,
                           size,
                           {.chosen = call.integers(0),
                            .weights = call.floats(1),
                            .d_weights = call.floats(2),
                            .d_logits = call.at[3]});
  } else if (call.key.op == KernelOp::expert_sort) {
    auto* counts =
        static_cast<std::int32_t*>(call.scratch.at_least(expert_sort_scratch_bytes(size)));
    launch_expert_sort(
        call.stream, size, call.integers(0), call.integers(1), call.integers(2), counts);
  } else {
    fail_mismatch(call.key);
  }
}

void start(const OwnCall& call, const PermuteShape& shape) {
  const auto& at = call.at;
  const PermuteSize size{call.key.type, shape.tokens, shape.top_k, shape.columns};
  if (call.key.op == KernelOp::permute_forward) {
    launch_permute_forward(call.stream, size, at[0], call.integers(1), at[2]);
  } else if (call.key.op == KernelOp::permute_backward) {
    launch_unpermute_forward(call.stream, size, at[0], call.integers(1), nullptr, at[2]);
  } else if (call.key.op == KernelOp::unpermute_forward) {
    launch_unpermute_forward(call.stream, size, at[0], call.integers(1), call.floats(2), at[3]);
  } else if (call.key.op == KernelOp::unpermute_backward) {
    launch_unpermute_backward(call.stream,
                              size,
                              {.y = at[0],
                               .row_of = call.integers(1),
                               .weights = call.floats(2),
                               .d_out = at[3],
                               .dy = at[4],
                               .d_weights = call.floats(5)});
  } else {
    fail_mismatch(call.key);
  }
}

}  // namespace forerun::cuda
