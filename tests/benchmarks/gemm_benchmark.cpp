// Matrix products and attention through Device::run, against oneDNN called directly on the same
// shapes: the layers of GPT-2 (124M) at 1024 tokens.
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include <benchmark/benchmark.h>
#include <dnnl.hpp>
#include <omp.h>

#include "kernels/host/bfloat16.hpp"
#include "kernels/host/host_device.hpp"
#include "kernels/kernel_cost.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

void count_flops(benchmark::State& state, const KernelKey& key) {
  const double done =
      hardware_flops(key).in(unit::gigaflop) * static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(done, benchmark::Counter::kIsRate);
  state.counters["GFLOP/s/core"] =
      benchmark::Counter(done / omp_get_max_threads(), benchmark::Counter::kIsRate);
}

void fill_normal(void* memory, const Operand& operand) {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  for (std::int64_t i = 0; i < operand.elements; ++i) {
    if (operand.type == DataType::bf16) {
      static_cast<host::Bf16*>(memory)[i] = host::narrowed(normal(engine));
    } else {
      static_cast<float*>(memory)[i] = normal(engine);
    }
  }
}

// A key's operands in the device's memory, filled with random normal numbers.
class Operands {
 public:
  Operands(Device& device, const KernelKey& key) {
    for (const Operand& operand : operands_of(key)) {
      const double bytes =
          static_cast<double>(operand.elements) * size_of(operand.type).in(unit::byte);
      buffers_.emplace_back(device, static_cast<std::size_t>(bytes));
      fill_normal(buffers_.back().data(), operand);
      addresses_.push_back(buffers_.back().data());
    }
  }

  [[nodiscard]] const std::vector<void*>& addresses() const { return addresses_; }

 private:
  std::vector<DeviceBuffer> buffers_;
  std::vector<void*> addresses_;
};

void through_device(benchmark::State& state, const std::string& text) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = kernel_key_from(text).value();
  const Operands operands(device, key);
  const KernelScalars scalars;
  device.run(key, operands.addresses(), scalars);
  for (auto _ : state) {
    device.run(key, operands.addresses(), scalars);
  }
  count_flops(state, key);
}

void by_sgemm(benchmark::State& state, const std::string& text) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = kernel_key_from(text).value();
  const auto& s = std::get<GemmShape>(key.shape);
  const Operands operands(device, key);
  const auto multiply = [&] {
    const bool ta = s.layout == GemmLayout::tn;
    const bool tb = s.layout == GemmLayout::nt;
    dnnl_sgemm(ta ? 'T' : 'N',
               tb ? 'T' : 'N',
               s.m,
               s.n,
               s.k,
               1.0F,
               static_cast<const float*>(operands.addresses()[0]),
               ta ? s.m : s.k,
               static_cast<const float*>(operands.addresses()[1]),
               tb ? s.k : s.n,
               s.output == GemmOutput::store ? 0.0F : 1.0F,
               static_cast<float*>(operands.addresses()[2]),
               s.n);
  };
  multiply();
  for (auto _ : state) {
    multiply();
  }
  count_flops(state, key);
}

dnnl::memory::desc matrix(std::int64_t rows,
                          std::int64_t columns,
                          bool transposed,
                          dnnl::memory::data_type type) {
  using Dims = dnnl::memory::dims;
  return {Dims{rows, columns}, type, transposed ? Dims{1, rows} : Dims{columns, 1}};
}

void by_matmul_primitive(benchmark::State& state, const std::string& text) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = kernel_key_from(text).value();
  const auto& s = std::get<GemmShape>(key.shape);
  const Operands operands(device, key);
  const auto type =
      key.type == DataType::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
  const bool adds = s.output == GemmOutput::accumulate_fp32;
  dnnl::primitive_attr attributes;
  if (adds) {
    dnnl::post_ops sum;
    sum.append_sum(1.0F);
    attributes.set_post_ops(sum);
  }
  const auto a = matrix(s.m, s.k, s.layout == GemmLayout::tn, type);
  const auto b = matrix(s.k, s.n, s.layout == GemmLayout::nt, type);
  const auto c = matrix(s.m, s.n, false, adds ? dnnl::memory::data_type::f32 : type);
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(engine);
  const dnnl::matmul multiply({dnnl::matmul::desc(a, b, c), attributes, engine});
  const std::unordered_map<int, dnnl::memory> arguments = {
      {DNNL_ARG_SRC, {a, engine, operands.addresses()[0]}},
      {DNNL_ARG_WEIGHTS, {b, engine, operands.addresses()[1]}},
      {DNNL_ARG_DST, {c, engine, operands.addresses()[2]}}};
  multiply.execute(stream, arguments);
  for (auto _ : state) {
    multiply.execute(stream, arguments);
    stream.wait();
  }
  count_flops(state, key);
}

void add_gemm(const std::string& type, const std::string& shape) {
  const std::string text = "gemm " + type + " " + shape;
  benchmark::RegisterBenchmark(("device/" + text).c_str(), through_device, text)->UseRealTime();
  if (type == "fp32") {
    benchmark::RegisterBenchmark(("dnnl_sgemm/" + text).c_str(), by_sgemm, text)->UseRealTime();
  }
  benchmark::RegisterBenchmark(("dnnl_matmul/" + text).c_str(), by_matmul_primitive, text)
      ->UseRealTime();
}

void add_attention(const std::string& type, const std::string& length) {
  const std::string shape =
      " batch=1 length=" + length + " heads=12 kv_heads=12 head_size=64 causal";
  for (const char* op : {"attention_forward ", "attention_backward "}) {
    const std::string text = op + type + shape;
    benchmark::RegisterBenchmark(("device/" + text).c_str(), through_device, text)->UseRealTime();
  }
}

void add_all() {
  for (const char* type : {"fp32", "bf16"}) {
    for (const char* shape : {"m=1024 n=2304 k=768 nt",
                              "m=1024 n=768 k=768 nt",
                              "m=1024 n=3072 k=768 nt",
                              "m=1024 n=768 k=3072 nt",
                              "m=1024 n=768 k=3072 nn",
                              "m=1024 n=3072 k=768 nn",
                              "m=3072 n=768 k=1024 tn acc",
                              "m=768 n=3072 k=1024 tn acc"}) {
      add_gemm(type, shape);
    }
    for (const char* length : {"256", "512", "1024"}) {
      add_attention(type, length);
    }
  }
}

}  // namespace
}  // namespace forerun

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  forerun::add_all();
  benchmark::RunSpecifiedBenchmarks();
}
