// Linear layers whose products read 8-bit operands, as Transformer Engine runs them: inputs,
// gradients and weights are cast and transposed by kernels of their own, every product has both
// operands along its reduction, outputs and everything between the products stay in 16 bits.
#include "estimator/step/work_builder.hpp"

namespace forerun {
namespace {

constexpr DataType forward_format = DataType::fp8_e4m3;
// The hybrid recipe: gradients have the wider exponent (Micikevicius et al. 2022, arXiv
// 2209.05433).
constexpr DataType gradient_format = DataType::fp8_e5m2;

TensorId fp8_of(TensorId id) {
  return with_form(id, TensorForm::fp8);
}

TensorId transposed_fp8_of(TensorId id) {
  return with_form(id, TensorForm::fp8_transposed);
}

}  // namespace

WorkItem WorkBuilder::cast_to_fp8(
    Part part, TensorId from, DataType type, std::int64_t rows, std::int64_t columns) {
  const TensorId scale{TensorName::fp8_scale, from.layer};
  return {
      part,
      KernelWork{
          {KernelOp::cast, type, RowsShape{rows, columns}},
          {from, scale, fp8_of(from), transposed_fp8_of(from), {TensorName::fp8_amax, from.layer}}},
      {}};
}

void WorkBuilder::fp8_forward(std::vector<WorkItem>& items, const Linear& linear, Part part) const {
  const TensorId input{linear.input, linear.layer};
  const TensorId scale{TensorName::fp8_scale, linear.layer};
  items.push_back(cast_to_fp8(part, input, forward_format, rows_of(linear), linear.in));
  items.push_back(
      {part,
       KernelWork{
           {KernelOp::gemm, forward_format, GemmShape{rows_of(linear), linear.out, linear.in}},
           {fp8_of(input),
            fp8_of({linear.weight, linear.weight_layer}),
            scale,
            scale,
            {linear.output, linear.layer}}},
       {}});
}

void WorkBuilder::fp8_dgrad(std::vector<WorkItem>& items,
                            const Linear& linear,
                            TensorId gradient,
                            TensorId to) const {
  const TensorId scale{TensorName::fp8_scale, linear.layer};
  items.push_back(
      cast_to_fp8(Part::compute, gradient, gradient_format, rows_of(linear), linear.out));
  items.push_back(
      {Part::compute,
       KernelWork{
           {KernelOp::gemm, gradient_format, GemmShape{rows_of(linear), linear.in, linear.out}},
           {fp8_of(gradient),
            transposed_fp8_of({linear.weight, linear.weight_layer}),
            scale,
            scale,
            to}},
       {}});
}

// What sequence parallelism gathers again for the weights' gradient is transposed again, too: of
// the whole input no narrow copy stays (TransformerEngine keeps a rank's own rows).
void WorkBuilder::cast_gathered_input(std::vector<WorkItem>& items, const Linear& linear) const {
  if (sequence_parallel() && has_fp8_copy(job_.recipe, {linear.weight, linear.weight_layer})) {
    items.push_back(cast_to_fp8(
        Part::compute, {linear.input, linear.layer}, forward_format, rows_of(linear), linear.in));
  }
}

WorkItem WorkBuilder::fp8_wgrad(const Linear& linear, TensorId gradient, TensorId to) const {
  const TensorId scale{TensorName::fp8_scale, linear.layer};
  return {Part::compute,
          KernelWork{
              {KernelOp::gemm,
               gradient_format,
               GemmShape{linear.out,
                         linear.in,
                         rows_of(linear),
                         GemmLayout::nt,
                         fuses_accumulation() ? GemmOutput::accumulate_fp32 : GemmOutput::store}},
              {transposed_fp8_of(gradient),
               transposed_fp8_of({linear.input, linear.layer}),
               scale,
               scale,
               to}},
          {}};
}

// The 8-bit copies of the weights are made once a step and serve all micro-batches; those of frozen
// weights stay.
void WorkBuilder::cast_weights(std::vector<WorkItem>& items, const StageWeights& weights) const {
  for (const WeightSpec& spec : weights.specs) {
    const bool is_matrix = spec.rows > 1 && spec.columns > 1;
    if (is_matrix && !spec.is_frozen && has_fp8_copy(job_.recipe, spec.id)) {
      items.push_back(
          cast_to_fp8(Part::optimizer, spec.id, forward_format, spec.rows, spec.columns));
    }
  }
}

}  // namespace forerun
