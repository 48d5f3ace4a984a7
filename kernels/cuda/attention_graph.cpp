// The operations of attention and of its gradient, in the order that cuDNN's fused engines expect.
#include "kernels/cuda/attention_graph.hpp"

namespace forerun::cuda {

namespace {

/// The shapes that both directions share. Rows lie [length][batch], as in Megatron.
struct Shapes {
  explicit Shapes(const AttentionKeyShape& shape)
      : batch(shape.batch),
        heads(shape.heads),
        kv_heads(shape.kv_heads),
        length(shape.length),
        keys(key_length(shape)),
        head_size(shape.head_size),
        value_size(forerun::value_size(shape)),
        is_packed(forerun::is_packed(shape)),
        mask(fused_mask(shape)) {}

  /// `positions` rows that are `width` elements wide, of `own_heads` heads.
  [[nodiscard]] DnnTensorShape rows(std::int64_t positions,
                                    std::int64_t own_heads,
                                    std::int64_t size,
                                    std::int64_t width) const {
    return {{batch, own_heads, positions, size}, {width, size, batch * width, 1}};
  }

  /// Of a part of packed rows, or of an array of its own.
  [[nodiscard]] std::int64_t width(std::int64_t own_heads, std::int64_t size) const {
    return is_packed ? (heads + 2 * kv_heads) * head_size : own_heads * size;
  }

  [[nodiscard]] DnnTensorShape q() const {
    return rows(length, heads, head_size, width(heads, head_size));
  }

  [[nodiscard]] DnnTensorShape k() const {
    return rows(keys, kv_heads, head_size, width(kv_heads, head_size));
  }

  [[nodiscard]] DnnTensorShape v() const {
    return rows(keys, kv_heads, value_size, width(kv_heads, value_size));
  }

  [[nodiscard]] DnnTensorShape out() const {
    return rows(length, heads, value_size, heads * value_size);
  }

  [[nodiscard]] DnnTensorShape scores() const { return packed({batch, heads, length, keys}); }

  [[nodiscard]] DnnTensorShape row_values() const { return packed({batch, heads, length, 1}); }

  std::int64_t batch;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t length;
  std::int64_t keys;
  std::int64_t head_size;
  std::int64_t value_size;
  bool is_packed;
  FusedMask mask;
};

constexpr cudnnDataType_t bf16 = CUDNN_DATA_BFLOAT16;

const DnnDescriptor& bound(DnnGraph& graph,
                           AttentionSlot slot,
                           const DnnTensorShape& shape,
                           cudnnDataType_t type = bf16) {
  return graph.tensor(static_cast<std::int64_t>(slot), shape, type);
}

const DnnDescriptor& value(DnnGraph& graph,
                           AttentionSlot slot,
                           cudnnDataType_t type = CUDNN_DATA_FLOAT) {
  return graph.scalar(static_cast<std::int64_t>(slot), type);
}

/// One element-wise step into a new fp32 inner tensor.
const DnnDescriptor& step(DnnGraph& graph, const Pointwise& what, const DnnTensorShape& shape) {
  const DnnDescriptor& y = graph.inner(shape);
  graph.pointwise(what, y);
  return y;
}

/// The number of each score's row or column.
const DnnDescriptor& index_of(DnnGraph& graph,
                              const DnnDescriptor& scores,
                              std::int64_t axis,
                              const Shapes& shapes) {
  const DnnDescriptor& index = graph.inner(shapes.scores(), CUDNN_DATA_INT32);
  graph.pointwise({.mode = CUDNN_POINTWISE_GEN_INDEX, .a = scores, .axis = axis}, index);
  return index;
}

/// A step on indices, into a tensor of its compute type.
const DnnDescriptor& index_step(DnnGraph& graph, const Pointwise& what, const Shapes& shapes) {
  const DnnDescriptor& y = graph.inner(shapes.scores(), what.compute);
  graph.pointwise(what, y);
  return y;
}

struct Comparison {
  cudnnPointwiseMode_t mode;
  const DnnDescriptor& a;
  const DnnDescriptor& b;
};

/// Scores where the comparison holds, minus infinity elsewhere.
const DnnDescriptor& where(DnnGraph& graph,
                           const DnnDescriptor& scores,
                           const Comparison& holds,
                           const Shapes& shapes) {
  const DnnDescriptor& seen =
      index_step(graph,
                 {.mode = holds.mode, .a = holds.a, .b = &holds.b, .compute = CUDNN_DATA_BOOLEAN},
                 shapes);
  return step(graph,
              {.mode = CUDNN_POINTWISE_BINARY_SELECT,
               .a = scores,
               .b = &value(graph, AttentionSlot::minus_infinity),
               .t = &seen},
              shapes.scores());
}

/// No key after the query's own: query (+ keys - length) >= key.
const DnnDescriptor& causal(DnnGraph& graph, const DnnDescriptor& scores, const Shapes& shapes) {
  const DnnDescriptor& query = index_of(graph, scores, 2, shapes);
  const DnnDescriptor& key = index_of(graph, scores, 3, shapes);
  if (!shapes.mask.ends_together) {
    return where(graph, scores, {CUDNN_POINTWISE_CMP_GE, query, key}, shapes);
  }
  const DnnDescriptor& keys = value(graph, AttentionSlot::keys, CUDNN_DATA_INT32);
  const DnnDescriptor& later =
      index_step(graph,
                 {.mode = CUDNN_POINTWISE_ADD, .a = query, .b = &keys, .compute = CUDNN_DATA_INT32},
                 shapes);
  const DnnDescriptor& length = value(graph, AttentionSlot::length, CUDNN_DATA_INT32);
  const DnnDescriptor& shifted = index_step(
      graph,
      {.mode = CUDNN_POINTWISE_SUB, .a = later, .b = &length, .compute = CUDNN_DATA_INT32},
      shapes);
  return where(graph, scores, {CUDNN_POINTWISE_CMP_GE, shifted, key}, shapes);
}

/// No key before the window: key + left_bound > query.
const DnnDescriptor& windowed(DnnGraph& graph, const DnnDescriptor& scores, const Shapes& shapes) {
  const DnnDescriptor& query = index_of(graph, scores, 2, shapes);
  const DnnDescriptor& key = index_of(graph, scores, 3, shapes);
  const DnnDescriptor& bound = value(graph, AttentionSlot::left_bound);
  const DnnDescriptor& end =
      index_step(graph, {.mode = CUDNN_POINTWISE_ADD, .a = key, .b = &bound}, shapes);
  return where(graph, scores, {CUDNN_POINTWISE_CMP_GT, end, query}, shapes);
}

const DnnDescriptor& masked(DnnGraph& graph, const DnnDescriptor& scores, const Shapes& shapes) {
  const DnnDescriptor& seen = shapes.mask.is_causal ? causal(graph, scores, shapes) : scores;
  return shapes.mask.has_window ? windowed(graph, seen, shapes) : seen;
}

/// scale * q k^T; the scale is returned for reuse.
struct ScaledScores {
  const DnnDescriptor& scores;
  const DnnDescriptor& scale;
};

ScaledScores scaled_scores(DnnGraph& graph,
                           const DnnDescriptor& q,
                           const DnnDescriptor& k_transposed,
                           const Shapes& shapes) {
  const DnnDescriptor& raw = graph.inner(shapes.scores());
  graph.matmul(q, k_transposed, raw);
  const DnnDescriptor& scale = value(graph, AttentionSlot::scale);
  return {step(graph, {.mode = CUDNN_POINTWISE_MUL, .a = raw, .b = &scale}, shapes.scores()),
          scale};
}

/// Softmax along keys into bf16, and the log-sum-exp into `stats`.
const DnnDescriptor& softmax(DnnGraph& graph, const DnnDescriptor& scores, const Shapes& shapes) {
  const DnnDescriptor& largest = graph.inner(shapes.row_values());
  graph.reduce(CUDNN_REDUCE_TENSOR_MAX, scores, largest);
  const DnnDescriptor& shifted =
      step(graph, {.mode = CUDNN_POINTWISE_SUB, .a = scores, .b = &largest}, shapes.scores());
  const DnnDescriptor& exponentials =
      step(graph, {.mode = CUDNN_POINTWISE_EXP, .a = shifted}, shapes.scores());
  const DnnDescriptor& sum = graph.inner(shapes.row_values());
  graph.reduce(CUDNN_REDUCE_TENSOR_ADD, exponentials, sum);
  const DnnDescriptor& log_sum =
      step(graph, {.mode = CUDNN_POINTWISE_LOG, .a = sum}, shapes.row_values());
  const DnnDescriptor& stats =
      bound(graph, AttentionSlot::stats, shapes.row_values(), CUDNN_DATA_FLOAT);
  graph.pointwise({.mode = CUDNN_POINTWISE_ADD, .a = largest, .b = &log_sum}, stats);
  const DnnDescriptor& probabilities = graph.inner(shapes.scores(), bf16);
  graph.pointwise({.mode = CUDNN_POINTWISE_DIV, .a = exponentials, .b = &sum}, probabilities);
  return probabilities;
}

/// delta = sum of d_out * out along each head.
const DnnDescriptor& row_products(DnnGraph& graph,
                                  const DnnDescriptor& d_out,
                                  const Shapes& shapes) {
  const DnnDescriptor& out = bound(graph, AttentionSlot::out, shapes.out());
  const DnnDescriptor& products =
      step(graph,
           {.mode = CUDNN_POINTWISE_MUL, .a = d_out, .b = &out},
           packed({shapes.batch, shapes.heads, shapes.length, shapes.value_size}));
  const DnnDescriptor& sums = graph.inner(shapes.row_values());
  graph.reduce(CUDNN_REDUCE_TENSOR_ADD, products, sums);
  const DnnDescriptor& delta =
      bound(graph, AttentionSlot::delta, shapes.row_values(), CUDNN_DATA_FLOAT);
  // The product with one stands where dropout would scale: the engines expect a step here.
  graph.pointwise({.mode = CUDNN_POINTWISE_MUL, .a = sums, .b = &value(graph, AttentionSlot::one)},
                  delta);
  return delta;
}

struct Gradient {
  AttentionSlot slot{};
  DnnTensorShape shape;
};

/// weights^T * rows summed over the query heads of each key-value head: d_k and d_v.
void reduce_to_kv(DnnGraph& graph,
                  const DnnDescriptor& weights,
                  const DnnDescriptor& rows,
                  const Gradient& target,
                  const Shapes& shapes) {
  const DnnDescriptor& turned = graph.inner(transposed(shapes.scores()), bf16);
  graph.reshape(weights, turned);
  const DnnDescriptor& gradient = bound(graph, target.slot, target.shape);
  if (shapes.heads == shapes.kv_heads) {
    graph.matmul(turned, rows, gradient);
    return;
  }
  const DnnDescriptor& every_head =
      graph.inner(packed({shapes.batch, shapes.heads, shapes.keys, target.shape.sizes[3]}), bf16);
  graph.matmul(turned, rows, every_head);
  graph.reduce(CUDNN_REDUCE_TENSOR_ADD, every_head, gradient);
}

/// d_q = d_scores * k, summed in fp32 because the engine adds key blocks in any order.
void query_gradient(DnnGraph& graph,
                    const DnnDescriptor& d_scores,
                    const DnnDescriptor& k_transposed,
                    const Shapes& shapes) {
  const DnnDescriptor& k = graph.inner(shapes.k(), bf16);
  graph.reshape(k_transposed, k);
  const DnnDescriptor& sum =
      bound(graph,
            AttentionSlot::d_q_sum,
            packed({shapes.batch, shapes.heads, shapes.length, shapes.head_size}),
            CUDNN_DATA_FLOAT);
  graph.matmul(d_scores, k, sum);
  graph.pointwise({.mode = CUDNN_POINTWISE_IDENTITY, .a = sum},
                  bound(graph, AttentionSlot::d_q, shapes.q()));
}

}  // namespace

DnnGraph attention_forward_graph(const AttentionKeyShape& shape) {
  const Shapes shapes(shape);
  DnnGraph graph;
  const DnnDescriptor& q = bound(graph, AttentionSlot::q, shapes.q());
  const DnnDescriptor& k = bound(graph, AttentionSlot::k, transposed(shapes.k()));
  const DnnDescriptor& v = bound(graph, AttentionSlot::v, shapes.v());
  const DnnDescriptor& scores = scaled_scores(graph, q, k, shapes).scores;
  const DnnDescriptor& probabilities = softmax(graph, masked(graph, scores, shapes), shapes);
  graph.matmul(probabilities, v, bound(graph, AttentionSlot::out, shapes.out()));
  graph.finish();
  return graph;
}

DnnGraph attention_backward_graph(const AttentionKeyShape& shape) {
  const Shapes shapes(shape);
  DnnGraph graph;
  const DnnDescriptor& q = bound(graph, AttentionSlot::q, shapes.q());
  const DnnDescriptor& k = bound(graph, AttentionSlot::k, transposed(shapes.k()));
  const DnnDescriptor& v = bound(graph, AttentionSlot::v, transposed(shapes.v()));
  const DnnDescriptor& d_out = bound(graph, AttentionSlot::d_out, shapes.out());
  const DnnDescriptor& delta = row_products(graph, d_out, shapes);

  const auto [scores, scale] = scaled_scores(graph, q, k, shapes);
  const DnnDescriptor& stats =
      bound(graph, AttentionSlot::stats, shapes.row_values(), CUDNN_DATA_FLOAT);
  const DnnDescriptor& shifted =
      step(graph, {.mode = CUDNN_POINTWISE_SUB, .a = scores, .b = &stats}, shapes.scores());
  const DnnDescriptor& probabilities = step(
      graph, {.mode = CUDNN_POINTWISE_EXP, .a = masked(graph, shifted, shapes)}, shapes.scores());
  reduce_to_kv(graph, probabilities, d_out, {AttentionSlot::d_v, shapes.v()}, shapes);

  const DnnDescriptor& d_probabilities = graph.inner(shapes.scores());
  graph.matmul(d_out, v, d_probabilities);
  const DnnDescriptor& centred = step(
      graph, {.mode = CUDNN_POINTWISE_SUB, .a = d_probabilities, .b = &delta}, shapes.scores());
  const DnnDescriptor& weighted = step(
      graph, {.mode = CUDNN_POINTWISE_MUL, .a = centred, .b = &probabilities}, shapes.scores());
  const DnnDescriptor& d_scores =
      step(graph, {.mode = CUDNN_POINTWISE_MUL, .a = weighted, .b = &scale}, shapes.scores());
  reduce_to_kv(graph, d_scores, q, {AttentionSlot::d_k, shapes.k()}, shapes);
  query_gradient(graph, d_scores, k, shapes);
  graph.finish();
  return graph;
}

}  // namespace forerun::cuda
