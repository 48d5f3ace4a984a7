// oneDNN's matmul primitive behind fixed shapes and raw addresses.
#include "kernels/host/matmul.hpp"

#include <stdexcept>
#include <unordered_map>

#include <dnnl.hpp>
#include <fmt/format.h>

namespace forerun::host {
namespace {

using Dims = dnnl::memory::dims;

dnnl::memory::desc matrix(std::int64_t rows, std::int64_t columns, bool transposed, DataType type) {
  const auto onednn_type =
      type == DataType::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
  const Dims strides = transposed ? Dims{1, rows} : Dims{columns, 1};
  return {Dims{rows, columns}, onednn_type, strides};
}

dnnl::matmul::primitive_desc describe(const GemmShape& s,
                                      DataType type,
                                      const dnnl::engine& engine) {
  const bool adds = s.output == GemmOutput::accumulate_fp32;
  dnnl::primitive_attr attributes;
  // The library's own scratch belongs to the thread that made the primitive; ours is passed in.
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (adds) {
    dnnl::post_ops sum;
    sum.append_sum(1.0F);
    attributes.set_post_ops(sum);
  }
  const dnnl::matmul::desc product(matrix(s.m, s.k, s.layout == GemmLayout::tn, type),
                                   matrix(s.k, s.n, s.layout == GemmLayout::nt, type),
                                   matrix(s.m, s.n, false, adds ? DataType::fp32 : type));
  return {product, attributes, engine};
}

}  // namespace

struct Matmul::Prepared {
  Prepared(const GemmShape& shape, DataType type)
      : engine(dnnl::engine::kind::cpu, 0),
        stream(engine),
        descriptor(describe(shape, type, engine)),
        primitive(descriptor),
        a(descriptor.src_desc(), engine, nullptr),
        b(descriptor.weights_desc(), engine, nullptr),
        c(descriptor.dst_desc(), engine, nullptr),
        scratch(descriptor.scratchpad_desc(), engine),
        arguments({{DNNL_ARG_SRC, a},
                   {DNNL_ARG_WEIGHTS, b},
                   {DNNL_ARG_DST, c},
                   {DNNL_ARG_SCRATCHPAD, scratch}}) {}

  dnnl::engine engine;
  dnnl::stream stream;
  dnnl::matmul::primitive_desc descriptor;
  dnnl::matmul primitive;
  dnnl::memory a;
  dnnl::memory b;
  dnnl::memory c;
  dnnl::memory scratch;
  std::unordered_map<int, dnnl::memory> arguments;
};

Matmul::Matmul(const GemmShape& shape, DataType type) {
  try {
    prepared_ = std::make_unique<Prepared>(shape, type);
  } catch (const dnnl::error& error) {
    throw std::runtime_error(fmt::format("{}:{}: oneDNN cannot prepare {}: {} (status {})",
                                         __FILE__,
                                         __LINE__,
                                         text_of({KernelOp::gemm, type, shape}),
                                         error.message,
                                         static_cast<int>(error.status)));
  }
}

Matmul::Matmul(Matmul&& other) noexcept = default;
Matmul& Matmul::operator=(Matmul&& other) noexcept = default;
Matmul::~Matmul() = default;

void Matmul::run(const void* a, const void* b, void* c) {
  Prepared& p = *prepared_;
  try {
    // oneDNN takes inputs as non-const addresses but only reads them.
    p.a.set_data_handle(const_cast<void*>(a));
    p.b.set_data_handle(const_cast<void*>(b));
    p.c.set_data_handle(c);
    p.primitive.execute(p.stream, p.arguments);
    p.stream.wait();
  } catch (const dnnl::error& error) {
    throw std::runtime_error(fmt::format("{}:{}: oneDNN matmul: {} (status {})",
                                         __FILE__,
                                         __LINE__,
                                         error.message,
                                         static_cast<int>(error.status)));
  }
}

std::string Matmul::implementation() const {
  return prepared_->descriptor.impl_info_str();
}

}  // namespace forerun::host
