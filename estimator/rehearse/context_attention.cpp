#include "estimator/rehearse/context_attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "estimator/rehearse/host_calls.hpp"
#include "estimator/rehearse/stopwatch.hpp"

namespace forerun {
namespace {

std::int64_t packed_width(const AttentionKeyShape& shape) {
  return (shape.heads + 2 * shape.kv_heads) * shape.head_size;
}

std::int64_t key_width(const AttentionKeyShape& shape) {
  return shape.kv_heads * shape.head_size;
}

std::int64_t output_width(const AttentionKeyShape& shape) {
  return shape.heads * shape.head_size;
}

bool is_attention(const KernelWork& kernel) {
  return kernel.key.op == KernelOp::attention_forward ||
         kernel.key.op == KernelOp::attention_backward;
}

// Where the log-sum-exp of a query lies.
std::size_t sum_index(const AttentionKeyShape& shape,
                      std::int64_t sequence,
                      std::int64_t head,
                      std::int64_t position) {
  return static_cast<std::size_t>((sequence * shape.heads + head) * shape.length + position);
}

std::span<float> part_of(HostMatrix& matrix, std::int64_t first, std::int64_t elements) {
  return std::span(matrix.values)
      .subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(elements));
}

}  // namespace

ContextAttention::ContextAttention(const Execution& at) : at_(at) {}

std::int64_t ContextAttention::rank() const {
  return at_.groups.here().context;
}

std::int64_t ContextAttention::ranks() const {
  return at_.job.layout.context;
}

bool ContextAttention::rings() const {
  return at_.job.recipe.context_kind == ContextKind::ring;
}

bool ContextAttention::takes(const WorkItem& item) const {
  if (ranks() == 1) {
    return false;
  }
  if (const auto* const collective = std::get_if<CollectiveWork>(&item.work)) {
    return collective->group == GroupKind::context;
  }
  return is_attention(std::get<KernelWork>(item.work));
}

void ContextAttention::keep_alive(std::vector<WorkItem>& backward) const {
  if (ranks() == 1 || rings()) {
    return;
  }
  for (WorkItem& item : backward) {
    std::erase_if(item.release, [](TensorId id) {
      return id.name == TensorName::attended || (id.name == TensorName::qkv && !id.gradient);
    });
  }
}

Seconds ContextAttention::run(const WorkItem& item,
                              Pass pass,
                              std::int64_t micro_batch,
                              const KernelScalars& scalars) {
  is_backward_ = pass != Pass::forward && item.part != Part::recompute;
  if (const auto* const collective = std::get_if<CollectiveWork>(&item.work)) {
    return exchange(*collective, micro_batch);
  }
  const auto& kernel = std::get<KernelWork>(item.work);
  const bool is_own = is_packed(std::get<AttentionKeyShape>(kernel.key.shape));
  return is_own ? own_kernel(kernel, micro_batch, scalars)
                : foreign_kernel(kernel, micro_batch, scalars);
}

void ContextAttention::read_packed(std::int64_t layer, std::int64_t micro_batch) {
  const AttentionKeyShape& shape = layer_.shape;
  const std::int64_t rows = shape.batch * shape.length;
  const std::int64_t width = packed_width(shape);
  const std::size_t bytes = static_cast<std::size_t>(rows * width) * element_bytes(layer_.type);
  const HostMatrix packed = read_matrix(at_.device,
                                        at_.store.at({TensorName::qkv, layer}, micro_batch, bytes),
                                        layer_.type,
                                        rows,
                                        width);
  layer_.query = columns_of(packed, 0, output_width(shape));
  layer_.keys = columns_of(packed, output_width(shape), key_width(shape));
  layer_.values = columns_of(packed, output_width(shape) + key_width(shape), key_width(shape));
}

// What the forward pass left for this layer, and the gradient that arrived.
void ContextAttention::read_results(std::int64_t layer, std::int64_t micro_batch) {
  const AttentionKeyShape& shape = layer_.shape;
  const std::int64_t rows = shape.batch * shape.length;
  const std::int64_t width = output_width(shape);
  const std::size_t bytes = static_cast<std::size_t>(rows * width) * element_bytes(layer_.type);
  const TensorId attended{TensorName::attended, layer};
  const TensorId sums{TensorName::log_sum_exp, layer};
  const auto read = [&](TensorId id) {
    return read_matrix(at_.device, at_.store.at(id, micro_batch, bytes), layer_.type, rows, width);
  };
  layer_.output = read(attended);
  layer_.output_gradient = read(gradient_of(attended));
  const std::int64_t heads = rows * shape.heads;
  const std::size_t sum_bytes = static_cast<std::size_t>(heads) * sizeof(float);
  layer_.log_sum_exp =
      read_matrix(at_.device, at_.store.at(sums, micro_batch, sum_bytes), DataType::fp32, heads, 1)
          .values;
}

// The log-sum-exps only where somebody will read them.
void ContextAttention::write_output(std::int64_t layer, std::int64_t micro_batch) {
  const TensorId attended{TensorName::attended, layer};
  const TensorId sums{TensorName::log_sum_exp, layer};
  const std::size_t bytes = layer_.output.values.size() * element_bytes(layer_.type);
  write_matrix(at_.device, layer_.output, layer_.type, at_.store.at(attended, micro_batch, bytes));
  if (!rings() || at_.store.holds(sums, micro_batch)) {
    const HostMatrix column{1, layer_.log_sum_exp};
    write_matrix(at_.device,
                 column,
                 DataType::fp32,
                 at_.store.at(sums, micro_batch, column.values.size() * sizeof(float)));
  }
}

void ContextAttention::write_gradients(std::int64_t layer, std::int64_t micro_batch) {
  const HostMatrix packed =
      beside({layer_.query_gradient, layer_.key_gradient, layer_.value_gradient});
  const TensorId gradient = gradient_of({TensorName::qkv, layer});
  write_matrix(
      at_.device,
      packed,
      layer_.type,
      at_.store.at(gradient, micro_batch, packed.values.size() * element_bytes(layer_.type)));
  if (!rings()) {
    for (const TensorId id : {TensorId{TensorName::qkv, layer},
                              TensorId{TensorName::attended, layer},
                              gradient_of({TensorName::attended, layer}),
                              TensorId{TensorName::log_sum_exp, layer}}) {
      at_.store.release(id, micro_batch);
    }
  }
}

// A ring begins with what needs no other rank.
Seconds ContextAttention::own_kernel(const KernelWork& kernel,
                                     std::int64_t micro_batch,
                                     const KernelScalars& scalars) {
  const auto specs = operands_of(kernel.key);
  std::vector<void*> operands;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    operands.push_back(at_.store.at(kernel.operands[i], micro_batch, bytes_of(specs[i])));
  }
  const Stopwatch watch;
  at_.device.run(kernel.key, operands, scalars);
  at_.device.synchronize();
  const Seconds time = watch.elapsed();

  const std::int64_t layer = kernel.operands.front().layer;
  const bool is_forward = kernel.key.op == KernelOp::attention_forward;
  layer_ = {};
  layer_.shape = std::get<AttentionKeyShape>(kernel.key.shape);
  layer_.type = kernel.key.type;
  const AttentionKeyShape& shape = layer_.shape;
  const std::int64_t rows = shape.batch * shape.length;
  read_packed(layer, micro_batch);
  if (is_forward) {
    layer_.output = read_matrix(at_.device, operands[1], layer_.type, rows, output_width(shape));
    layer_.log_sum_exp =
        read_matrix(at_.device, operands[2], DataType::fp32, rows * shape.heads, 1).values;
    return time;
  }
  read_results(layer, micro_batch);
  const HostMatrix packed =
      read_matrix(at_.device, operands[4], layer_.type, rows, packed_width(shape));
  const std::int64_t queries = output_width(shape);
  layer_.query_gradient = columns_of(packed, 0, queries);
  layer_.key_gradient = columns_of(packed, queries, key_width(shape));
  layer_.value_gradient = columns_of(packed, queries + key_width(shape), key_width(shape));
  return time;
}

// Gathered keys: first the early queries of this rank, then the late ones, behind them a causal
// mask. In a ring: keys from an earlier rank are seen, as to their first half, by all queries; of
// those from a later rank the late queries see all.
ContextAttention::Piece ContextAttention::piece_at_hand(const KernelKey& key) const {
  Piece piece;
  piece.shape = std::get<AttentionKeyShape>(key.shape);
  const std::int64_t whole = layer_.shape.length;
  const std::int64_t half = whole / 2;
  if (!rings()) {
    const bool is_early = layer_.step == 0;
    piece.first_query = is_early ? 0 : half;
    piece.queries = half;
    piece.shape.offset = (is_early ? rank() : 2 * ranks() - 1 - rank()) * half;
    return piece;
  }
  const std::int64_t from = (rank() - 1 - layer_.step + 2 * ranks()) % ranks();
  const bool sees_all = from > rank();
  piece.first_query = sees_all ? half : 0;
  piece.queries = sees_all ? half : whole;
  piece.shape.length = piece.queries;
  piece.shape.keys = sees_all ? whole : half;
  return piece;
}

Seconds ContextAttention::foreign_kernel(const KernelWork& kernel,
                                         std::int64_t micro_batch,
                                         const KernelScalars& scalars) {
  const std::int64_t layer = kernel.operands.front().layer;
  const Piece piece = piece_at_hand(kernel.key);
  KernelKey key = kernel.key;
  key.shape = piece.shape;
  const bool is_forward = key.op == KernelOp::attention_forward;
  const Seconds time =
      is_forward ? forward_piece(key, piece, scalars) : backward_piece(key, piece, scalars);
  ++layer_.step;
  const std::int64_t pieces = rings() ? ranks() - 1 : 2;
  if (is_forward && layer_.step == pieces) {
    write_output(layer, micro_batch);
  }
  return time;
}

std::vector<float> ContextAttention::sums_of(const Piece& piece) const {
  std::vector<float> sums;
  for (std::int64_t row = 0; row < layer_.shape.batch * layer_.shape.heads; ++row) {
    const auto first = layer_.log_sum_exp.begin() + row * layer_.shape.length + piece.first_query;
    sums.insert(sums.end(), first, first + piece.queries);
  }
  return sums;
}

Seconds ContextAttention::forward_piece(const KernelKey& key,
                                        const Piece& piece,
                                        const KernelScalars& scalars) {
  const AttentionKeyShape& shape = piece.shape;
  const std::int64_t batch = shape.batch;
  HostKernelCall call(at_, key);
  call.give(
      0, rows_of(layer_.query, piece.first_query * batch, piece.queries * batch), layer_.type);
  call.give(1, rows_of(layer_.keys, 0, key_length(shape) * batch), layer_.type);
  call.give(2, rows_of(layer_.values, 0, key_length(shape) * batch), layer_.type);
  const Seconds time = call.run(scalars);
  join(piece,
       call.result(3, layer_.type, piece.queries * batch, output_width(shape)),
       call.result(4, DataType::fp32, piece.queries * batch * shape.heads, 1).values);
  return time;
}

void ContextAttention::join(const Piece& piece,
                            const HostMatrix& output,
                            const std::vector<float>& log_sum_exp) {
  const std::int64_t size = layer_.shape.head_size;
  for (std::int64_t sequence = 0; sequence < layer_.shape.batch; ++sequence) {
    for (std::int64_t head = 0; head < layer_.shape.heads; ++head) {
      for (std::int64_t i = 0; i < piece.queries; ++i) {
        float& whole =
            layer_.log_sum_exp[sum_index(layer_.shape, sequence, head, piece.first_query + i)];
        const float part = log_sum_exp[sum_index(piece.shape, sequence, head, i)];
        const float most = std::max(whole, part);
        const float joined = most + std::log(std::exp(whole - most) + std::exp(part - most));
        const float keep = std::exp(whole - joined);
        const float add = std::exp(part - joined);
        const std::int64_t row = i * layer_.shape.batch + sequence;
        const std::int64_t first = piece.first_query * layer_.shape.batch;
        float* const to = layer_.output.values.data() + (first + row) * output.width + head * size;
        const float* const from = output.values.data() + row * output.width + head * size;
        for (std::int64_t j = 0; j < size; ++j) {
          to[j] = keep * to[j] + add * from[j];
        }
        whole = joined;
      }
    }
  }
}

Seconds ContextAttention::backward_piece(const KernelKey& key,
                                         const Piece& piece,
                                         const KernelScalars& scalars) {
  const AttentionKeyShape& shape = piece.shape;
  const std::int64_t first = piece.first_query * shape.batch;
  const std::int64_t rows = piece.queries * shape.batch;
  const std::int64_t keys = key_length(shape) * shape.batch;
  HostKernelCall call(at_, key);
  call.give(0, rows_of(layer_.query, first, rows), layer_.type);
  call.give(1, rows_of(layer_.keys, 0, keys), layer_.type);
  call.give(2, rows_of(layer_.values, 0, keys), layer_.type);
  call.give(3, rows_of(layer_.output, first, rows), layer_.type);
  call.give(4, sums_of(piece), DataType::fp32);
  call.give(5, rows_of(layer_.output_gradient, first, rows), layer_.type);
  const Seconds time = call.run(scalars);
  add_rows(layer_.query_gradient, first, call.result(6, layer_.type, rows, output_width(shape)));
  add_rows(layer_.key_gradient, 0, call.result(7, layer_.type, keys, key_width(shape)));
  add_rows(layer_.value_gradient, 0, call.result(8, layer_.type, keys, key_width(shape)));
  return time;
}

Seconds ContextAttention::exchange(const CollectiveWork& collective, std::int64_t micro_batch) {
  switch (collective.key.op) {
    case Collective::all_gather:
      return gather_keys(collective, micro_batch);
    case Collective::reduce_scatter: {
      const Seconds time = scatter_gradients();
      write_gradients(collective.from.layer, micro_batch);
      return time;
    }
    default:
      break;
  }
  if (collective.to.name == TensorName::context_keys) {
    return send_on(layer_.keys, layer_.values);
  }
  const Seconds time = send_on(layer_.key_gradient, layer_.value_gradient);
  if (layer_.step == ranks() - 1) {  // home
    write_gradients(collective.from.layer, micro_batch);
  }
  return time;
}

// To the next rank of the ring, from the one before.
Seconds ContextAttention::send_on(HostMatrix& keys, HostMatrix& values) {
  Communicator& group = at_.groups.of(GroupKind::context);
  const std::int64_t elements = std::ssize(keys.values);
  HostMessage message(at_, layer_.type, 2 * elements, 2 * elements);
  message.write(keys.values);
  message.write(values.values);
  const Seconds time = message.run([&](const void* from, void* to) {
    group.send_receive(from,
                       (group.rank() + 1) % group.size(),
                       to,
                       (group.rank() + group.size() - 1) % group.size(),
                       2 * elements,
                       layer_.type);
  });
  message.read(0, keys.values);
  message.read(elements, values.values);
  return time;
}

// Gathered keys have no kernel of the rank's own before them.
void ContextAttention::begin_gathered(std::int64_t layer, DataType type, std::int64_t micro_batch) {
  layer_ = {};
  layer_.shape.batch = at_.job.recipe.micro_batch;
  layer_.shape.length = at_.job.recipe.sequence / ranks();
  layer_.shape.heads = local_heads(at_.job);
  layer_.shape.kv_heads = local_kv_heads(at_.job);
  layer_.shape.head_size = at_.job.model.attention.head_size;
  layer_.type = type;
  const AttentionKeyShape& shape = layer_.shape;
  const std::int64_t rows = shape.batch * shape.length;
  read_packed(layer, micro_batch);
  if (is_backward_) {
    read_results(layer, micro_batch);
    const auto gathered = static_cast<std::size_t>(rows * ranks() * key_width(shape));
    layer_.query_gradient = {output_width(shape), std::vector<float>(layer_.query.values.size())};
    layer_.key_gradient = {key_width(shape), std::vector<float>(gathered)};
    layer_.value_gradient = layer_.key_gradient;
  } else {
    layer_.output = {output_width(shape), std::vector<float>(layer_.query.values.size())};
    layer_.log_sum_exp.assign(static_cast<std::size_t>(rows * shape.heads),
                              -std::numeric_limits<float>::infinity());
  }
}

// Keys and values of all ranks in the order of their positions.
Seconds ContextAttention::gather_keys(const CollectiveWork& collective, std::int64_t micro_batch) {
  begin_gathered(collective.from.layer, collective.key.type, micro_batch);
  const std::int64_t own = std::ssize(layer_.keys.values);
  HostMessage message(at_, layer_.type, 2 * own, 2 * own * ranks());
  message.write(layer_.keys.values);
  message.write(layer_.values.values);
  const Seconds time = message.run([&](const void* from, void* to) {
    at_.groups.of(GroupKind::context).all_gather(from, to, 2 * own, layer_.type);
  });
  const std::int64_t half = own / 2;
  layer_.keys.values.resize(static_cast<std::size_t>(own * ranks()));
  layer_.values.values.resize(layer_.keys.values.size());
  for (std::int64_t piece = 0; piece < 2 * ranks(); ++piece) {
    const bool is_early = piece < ranks();
    const std::int64_t owner = is_early ? piece : 2 * ranks() - 1 - piece;
    const std::int64_t first = owner * 2 * own + (is_early ? 0 : half);
    message.read(first, part_of(layer_.keys, piece * half, half));
    message.read(first + own, part_of(layer_.values, piece * half, half));
  }
  return time;
}

// Every rank's part of the gradients to its owner.
Seconds ContextAttention::scatter_gradients() {
  const std::int64_t whole = std::ssize(layer_.key_gradient.values);
  const std::int64_t own = whole / ranks();
  const std::int64_t half = own / 2;
  HostMessage message(at_, layer_.type, 2 * whole, 2 * own);
  for (std::int64_t owner = 0; owner < ranks(); ++owner) {
    for (HostMatrix* const gradient : {&layer_.key_gradient, &layer_.value_gradient}) {
      message.write(part_of(*gradient, owner * half, half));
      message.write(part_of(*gradient, (2 * ranks() - 1 - owner) * half, half));
    }
  }
  const Seconds time = message.run([&](const void* from, void* to) {
    at_.groups.of(GroupKind::context).reduce_scatter(from, to, 2 * own, layer_.type);
  });
  for (HostMatrix* const gradient : {&layer_.key_gradient, &layer_.value_gradient}) {
    gradient->values.resize(static_cast<std::size_t>(own));
  }
  message.read(0, layer_.key_gradient.values);
  message.read(own, layer_.value_gradient.values);
  return time;
}

std::optional<std::string> context_not_executed_because(const Job& job) {
  if (job.layout.context == 1) {
    return std::nullopt;
  }
  if (job.recipe.context_kind == ContextKind::ulysses) {
    return "--cp-kind ulysses is estimated only (rehearse runs ring and allgather)";
  }
  const AttentionShape& attention = job.model.attention;
  const bool looks_at_distance = job.model.position == Position::alibi ||
                                 (attention.window && *attention.window < job.recipe.sequence);
  if (job.recipe.context_kind == ContextKind::ring && looks_at_distance) {
    return job.model.name +
           " has attention that depends on distances, which a ring of early and late pieces "
           "does not keep (rehearse it with --cp-kind allgather)";
  }
  return std::nullopt;
}

}  // namespace forerun
