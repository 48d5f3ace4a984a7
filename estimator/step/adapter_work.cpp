#include "estimator/step/adapter_work.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "estimator/step/adapters.hpp"

namespace forerun {
namespace {

// A product of a layer with one of its weights, forward or towards its input.
struct BaseProduct {
  const WeightSpec* weight = nullptr;
  bool is_forward = true;
  bool is_grouped = false;
  std::int64_t rows = 0;
  TensorId from;  ///< input, or the gradient of the output
  TensorId to;    ///< output, or the gradient of the input
};

// Nothing for any other item. In 8 bits the products towards inputs read a transposed copy, and two
// scales stand before the result.
std::optional<BaseProduct> base_product(const WorkItem& item, const StageWeights& weights) {
  const auto* const kernel = std::get_if<KernelWork>(&item.work);
  const bool is_grouped = kernel != nullptr && kernel->key.op == KernelOp::grouped_gemm;
  if (kernel == nullptr || (kernel->key.op != KernelOp::gemm && !is_grouped)) {
    return std::nullopt;
  }
  TensorId id = kernel->operands[1];
  const bool is_transposed = id.form == TensorForm::fp8_transposed;
  if (is_transposed || id.form == TensorForm::fp8) {
    id.form = TensorForm::plain;
  }
  const auto found = std::ranges::find(weights.specs, id, &WeightSpec::id);
  if (id.gradient || found == weights.specs.end()) {
    return std::nullopt;
  }
  BaseProduct product;
  product.weight = &*found;
  product.is_grouped = is_grouped;
  if (is_grouped) {
    return product;
  }
  const auto& shape = std::get<GemmShape>(kernel->key.shape);
  product.rows = shape.m;
  product.is_forward = !is_transposed && shape.layout == GemmLayout::nt;
  product.from = with_form(kernel->operands[0], TensorForm::plain);
  product.to = kernel->operands.back();
  return product;
}

// The kernels of one adapter, as PEFT's linear layer runs them: one after the other, the scaling
// and the sum with the frozen product on their own.
class Adapter {
 public:
  Adapter(const Job& job, TensorId weight, std::int64_t rows, const AdapterPiece& piece)
      : type_(data_type_of(job.recipe.precision)),
        rank_(job.recipe.adapters.rank),
        rows_(rows),
        piece_(piece),
        in_(with_form(weight, TensorForm::adapter_in, piece.piece)),
        out_(with_form(weight, TensorForm::adapter_out, piece.piece)) {}

  [[nodiscard]] std::vector<WorkItem> forward(Part part, TensorId input, TensorId output) const {
    const TensorId sum = with_form(output, TensorForm::adapter_sum, piece_.piece);
    const TensorId middle = with_form(output, TensorForm::adapter_middle, piece_.piece);
    return {item(part, product(rows_, rank_, piece_.in, GemmLayout::nt), {input, in_, middle}),
            item(part, product(rows_, piece_.out, rank_, GemmLayout::nt), {middle, out_, sum}),
            item(part, flat(KernelOp::scale, piece_.out), {sum}),
            item(part, add(piece_.out), {output, sum, output})};
  }

  // `gradient` of the output, `to` that of the input.
  [[nodiscard]] std::vector<WorkItem> backward(TensorId gradient,
                                               TensorId input,
                                               TensorId output,
                                               TensorId to) const {
    const TensorId scaled = with_form(gradient, TensorForm::adapter_sum, piece_.piece);
    const TensorId middle = with_form(output, TensorForm::adapter_middle, piece_.piece);
    const TensorId sum = with_form(to, TensorForm::adapter_sum, piece_.piece);
    const Part part = Part::compute;
    return {item(part, flat(KernelOp::copy, piece_.out), {gradient, scaled}),
            item(part, summed(piece_.out, rank_), {scaled, middle, gradient_of(out_)}),
            item(part,
                 product(rows_, rank_, piece_.out, GemmLayout::nn),
                 {scaled, out_, gradient_of(middle)}),
            item(part, summed(rank_, piece_.in), {gradient_of(middle), input, gradient_of(in_)}),
            item(part,
                 product(rows_, piece_.in, rank_, GemmLayout::nn),
                 {gradient_of(middle), in_, sum}),
            item(part, add(piece_.in), {to, sum, to})};
  }

 private:
  static WorkItem item(Part part, KernelKey key, std::vector<TensorId> operands) {
    return {part, KernelWork{key, std::move(operands)}, {}};
  }

  [[nodiscard]] KernelKey product(std::int64_t m,
                                  std::int64_t n,
                                  std::int64_t k,
                                  GemmLayout layout) const {
    return {KernelOp::gemm, type_, GemmShape{m, n, k, layout, GemmOutput::store}};
  }

  [[nodiscard]] KernelKey summed(std::int64_t m, std::int64_t n) const {
    return {
        KernelOp::gemm, type_, GemmShape{m, n, rows_, GemmLayout::tn, GemmOutput::accumulate_fp32}};
  }

  [[nodiscard]] KernelKey flat(KernelOp op, std::int64_t columns) const {
    return {op, type_, FlatShape{rows_ * columns}};
  }

  [[nodiscard]] KernelKey add(std::int64_t columns) const {
    return {KernelOp::add, type_, RowsShape{rows_, columns}};
  }

  DataType type_;
  std::int64_t rank_;
  std::int64_t rows_;
  AdapterPiece piece_;
  TensorId in_;
  TensorId out_;
};

std::optional<BaseProduct> forward_product(const std::vector<WorkItem>& items,
                                           TensorId weight,
                                           const StageWeights& weights) {
  for (const WorkItem& item : items) {
    const auto product = base_product(item, weights);
    if (product && !product->is_grouped && product->weight->id == weight && product->is_forward) {
      return product;
    }
  }
  return std::nullopt;
}

void add_products(std::vector<WorkItem>& items,
                  const Job& job,
                  const StageWeights& weights,
                  const std::vector<WorkItem>& forward) {
  std::vector<WorkItem> all;
  for (WorkItem& item : items) {
    const auto base = base_product(item, weights);
    const Part part = item.part;
    all.push_back(std::move(item));
    if (!base || base->is_grouped) {
      continue;
    }
    const TensorId weight = base->weight->id;
    const auto other = forward_product(forward, weight, weights);
    for (const AdapterPiece& piece : adapter_pieces(job, *base->weight)) {
      const Adapter adapter(job, weight, base->rows, piece);
      std::vector<WorkItem> added;
      if (base->is_forward) {
        added = adapter.forward(part, base->from, base->to);
      } else if (other) {
        added = adapter.backward(base->from, other->from, other->to, base->to);
      }
      std::ranges::move(added, std::back_inserter(all));
    }
  }
  items = std::move(all);
}

void widen_weights(std::vector<WorkItem>& items, const Job& job, const StageWeights& weights) {
  std::vector<WorkItem> all;
  for (WorkItem& item : items) {
    const auto product = base_product(item, weights);
    if (product && is_quantized(job.recipe, *product->weight)) {
      const WeightSpec* const weight = product->weight;
      const TensorId id = weight->id;
      const TensorId wide = with_form(id, TensorForm::dequantized);
      all.push_back({item.part,
                     KernelWork{{KernelOp::dequantize,
                                 data_type_of(job.recipe.precision),
                                 FlatShape{weight->rows * weight->columns}},
                                {with_form(id, TensorForm::nf4_codes),
                                 with_form(id, TensorForm::nf4_blocks),
                                 with_form(id, TensorForm::nf4_groups),
                                 wide}},
                     {}});
      std::get<KernelWork>(item.work).operands[1] = wide;
    }
    all.push_back(std::move(item));
  }
  items = std::move(all);
}

bool is_trained(TensorId id) {
  return is_weight(id) && (id.form == TensorForm::adapter_in || id.form == TensorForm::adapter_out);
}

// Of a frozen weight, or of one micro-batch on its way there.
bool is_frozen_gradient(TensorId id) {
  return id.gradient &&
         ((is_weight(id) && !is_trained(id)) || id.name == TensorName::weight_update);
}

// What only gradients of frozen weights need does not run: they themselves, then whatever is read
// by nothing but what does not run. What nothing reads is no such thing: it leaves the part, or its
// readers stand for it under other names (pieces of attention over a split sequence). Whatever a
// recomputation repeats runs nevertheless, and weights are gathered.
void drop_unneeded(std::vector<WorkItem>& backward, std::optional<TensorId> outgoing) {
  std::vector<Touched> touched;
  touched.reserve(backward.size());
  for (const WorkItem& item : backward) {
    touched.push_back(touched_by(item));
  }
  std::map<TensorId, std::int64_t> readers;  // behind the item at hand
  std::set<TensorId> needed;                 // read by one of them that runs
  if (outgoing) {
    needed.insert(*outgoing);
  }
  std::vector<WorkItem> kept;
  for (std::size_t i = backward.size(); i > 0; --i) {
    WorkItem& item = backward[i - 1];
    const auto& [read, written] = touched[i - 1];
    const auto serves_nothing = [&](TensorId id) {
      return is_frozen_gradient(id) || (readers[id] > 0 && !needed.contains(id));
    };
    const bool runs = item.part == Part::recompute || item.part == Part::data_parallel ||
                      !std::ranges::all_of(written, serves_nothing);
    for (const TensorId id : read) {
      ++readers[id];
      if (runs) {
        needed.insert(id);
      }
    }
    if (runs) {
      kept.push_back(std::move(item));
    }
  }
  std::ranges::reverse(kept);
  backward = std::move(kept);
}

// A recomputation that nothing behind it needs does not run either.
bool is_dead_end(const std::vector<WorkItem>& backward) {
  return std::ranges::none_of(backward, [](const WorkItem& item) {
    return item.part != Part::recompute && item.part != Part::data_parallel;
  });
}

// What hid under a product that is gone hides under nothing.
void uncover(std::vector<WorkItem>& items) {
  std::set<KernelKey> keys;
  for (const WorkItem& item : items) {
    if (const auto* const kernel = std::get_if<KernelWork>(&item.work)) {
      keys.insert(kernel->key);
    }
  }
  for (WorkItem& item : items) {
    auto* const collective = std::get_if<CollectiveWork>(&item.work);
    if (collective != nullptr && collective->hides_under &&
        !keys.contains(*collective->hides_under)) {
      collective->hides_under.reset();
    }
  }
}

}  // namespace

void add_adapters(PartWork& part,
                  const Job& job,
                  const StageWeights& weights,
                  std::optional<TensorId> outgoing) {
  const std::vector<WorkItem> forward = part.forward;
  add_products(part.forward, job, weights, forward);
  add_products(part.backward, job, weights, forward);
  drop_unneeded(part.backward, outgoing);
  if (is_dead_end(part.backward)) {
    part.backward.clear();
  }
  uncover(part.backward);
  widen_weights(part.forward, job, weights);
  widen_weights(part.backward, job, weights);
}

}  // namespace forerun
