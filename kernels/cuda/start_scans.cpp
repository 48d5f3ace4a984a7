// Causal convolution and the state-space scans.
#include "kernels/cuda/conv1d_launch.hpp"
#include "kernels/cuda/own_call.hpp"
#include "kernels/cuda/scan_launch.hpp"

namespace forerun::cuda {

namespace {

/// Mamba-1's keys name no chunk: that of Mamba-2's defaults (state-spaces/mamba, mamba2.py).
constexpr std::int64_t selective_scan_chunk = 256;

}  // namespace

void start(const OwnCall& call, const ConvShape& shape) {
  const auto& at = call.at;
  const ConvSize size{call.key.type, shape.batch, shape.length, shape.channels, shape.width};
  if (call.key.op == KernelOp::conv1d_forward) {
    launch_conv1d_forward(call.stream, size, {at[0], at[1], at[2], at[3]});
  } else if (call.key.op == KernelOp::conv1d_backward) {
    launch_conv1d_backward(call.stream,
                           size,
                           {.x = at[0],
                            .weight = at[1],
                            .bias = at[2],
                            .dy = at[3],
                            .dx = at[4],
                            .d_weight = call.floats(5),
                            .d_bias = call.floats(6),
                            .scratch = call.scratch_floats(conv1d_scratch_bytes(size))});
  } else {
    fail_mismatch(call.key);
  }
}

void start(const OwnCall& call, const SsdShape& shape) {
  const auto& at = call.at;
  const ScanSize size{.type = call.key.type,
                      .batch = shape.batch,
                      .length = shape.length,
                      .channels = shape.heads * shape.head_size,
                      .head_size = shape.head_size,
                      .groups = shape.groups,
                      .state = shape.state,
                      .a_size = 1,
                      .chunk = scan_chunk(shape.chunk, shape.length)};
  const ScanInputs inputs{.x = at[0],
                          .dt = at[1],
                          .b = at[2],
                          .c = at[3],
                          .z = nullptr,
                          .dt_bias = call.floats(4),
                          .a_log = call.floats(5),
                          .d = call.floats(6)};
  if (call.key.op == KernelOp::ssd_forward) {
    launch_scan_forward(
        call.stream, size, inputs, at[7], call.scratch_floats(scan_forward_scratch_bytes(size)));
  } else if (call.key.op == KernelOp::ssd_backward) {
    launch_scan_backward(call.stream,
                         size,
                         inputs,
                         {.dy = at[7],
                          .dx = at[8],
                          .d_dt = at[9],
                          .db = at[10],
                          .dc = at[11],
                          .dz = nullptr,
                          .d_dt_bias = call.floats(12),
                          .da_log = call.floats(13),
                          .dd = call.floats(14),
                          .scratch = call.scratch.at_least(scan_scratch_bytes(size))});
  } else {
    fail_mismatch(call.key);
  }
}

void start(const OwnCall& call, const ScanShape& shape) {
  const auto& at = call.at;
  const ScanSize size{.type = call.key.type,
                      .batch = shape.batch,
                      .length = shape.length,
                      .channels = shape.channels,
                      .head_size = 1,
                      .groups = 1,
                      .state = shape.state,
                      .a_size = shape.state,
                      .chunk = scan_chunk(selective_scan_chunk, shape.length)};
  const ScanInputs inputs{.x = at[0],
                          .dt = at[1],
                          .b = at[2],
                          .c = at[3],
                          .z = at[4],
                          .dt_bias = call.floats(5),
                          .a_log = call.floats(6),
                          .d = call.floats(7)};
  if (call.key.op == KernelOp::selective_scan_forward) {
    launch_scan_forward(
        call.stream, size, inputs, at[8], call.scratch_floats(scan_forward_scratch_bytes(size)));
  } else if (call.key.op == KernelOp::selective_scan_backward) {
    launch_scan_backward(call.stream,
                         size,
                         inputs,
                         {.dy = at[8],
                          .dx = at[9],
                          .d_dt = at[10],
                          .db = at[11],
                          .dc = at[12],
                          .dz = at[13],
                          .d_dt_bias = call.floats(14),
                          .da_log = call.floats(15),
                          .dd = call.floats(16),
                          .scratch = call.scratch.at_least(scan_scratch_bytes(size))});
  } else {
    fail_mismatch(call.key);
  }
}

}  // namespace forerun::cuda
