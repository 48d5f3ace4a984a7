// Matrix products through Device::run over oneDNN called directly on the same shapes, as a ratio;
// rates of attention: the layers of GPT-2 (124M) at 1024 tokens. A CPU without bf16 products
// converts to fp32, which is faster than oneDNN's emulation there: its ratios are far below zero.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
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

// Multiplies by dnnl_sgemm, straight from the operands.
std::function<void()> by_sgemm(const KernelKey& key, const std::vector<void*>& operands) {
  const auto s = std::get<GemmShape>(key.shape);
  return [s, operands] {
    const bool ta = s.layout == GemmLayout::tn;
    const bool tb = s.layout == GemmLayout::nt;
    dnnl_sgemm(ta ? 'T' : 'N',
               tb ? 'T' : 'N',
               s.m,
               s.n,
               s.k,
               1.0F,
               static_cast<const float*>(operands[0]),
               ta ? s.m : s.k,
               static_cast<const float*>(operands[1]),
               tb ? s.k : s.n,
               s.output == GemmOutput::store ? 0.0F : 1.0F,
               static_cast<float*>(operands[2]),
               s.n);
  };
}

dnnl::memory::desc matrix(std::int64_t rows,
                          std::int64_t columns,
                          bool transposed,
                          dnnl::memory::data_type type) {
  using Dims = dnnl::memory::dims;
  return {Dims{rows, columns}, type, transposed ? Dims{1, rows} : Dims{columns, 1}};
}

// Multiplies by a matmul primitive that is made once.
std::function<void()> by_matmul(const KernelKey& key, const std::vector<void*>& operands) {
  const auto& s = std::get<GemmShape>(key.shape);
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
  const dnnl::matmul multiply({dnnl::matmul::desc(a, b, c), attributes, engine});
  const std::unordered_map<int, dnnl::memory> arguments = {
      {DNNL_ARG_SRC, {a, engine, operands[0]}},
      {DNNL_ARG_WEIGHTS, {b, engine, operands[1]}},
      {DNNL_ARG_DST, {c, engine, operands[2]}}};
  return [multiply, arguments, stream = dnnl::stream(engine)]() mutable {
    multiply.execute(stream, arguments);
    stream.wait();
  };
}

double seconds_of(const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// The device and the library's own entries in turn, so that drift hits all: the device's median
// over that of the library's faster entry, less one.
void against_library(benchmark::State& state, const std::string& text) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = kernel_key_from(text).value();
  const Operands operands(device, key);
  const KernelScalars scalars;
  std::vector<std::function<void()>> library = {by_matmul(key, operands.addresses())};
  if (key.type == DataType::fp32) {
    library.push_back(by_sgemm(key, operands.addresses()));
  }
  std::vector<double> own;
  std::vector<std::vector<double>> others(library.size());
  device.run(key, operands.addresses(), scalars);
  for (const auto& entry : library) {
    entry();
  }
  for (auto _ : state) {
    own.push_back(seconds_of([&] { device.run(key, operands.addresses(), scalars); }));
    for (std::size_t i = 0; i < library.size(); ++i) {
      others[i].push_back(seconds_of(library[i]));
    }
  }
  double best = std::numeric_limits<double>::infinity();
  for (const auto& times : others) {
    best = std::min(best, median(times));
  }
  state.counters["over_library"] = median(own) / best - 1.0;
  state.counters["GFLOP/s"] = hardware_flops(key).in(unit::gigaflop) / median(own);
}

void add_gemm(const std::string& type, const std::string& shape) {
  const std::string text = "gemm " + type + " " + shape;
  benchmark::RegisterBenchmark(text.c_str(), against_library, text)->Iterations(60);
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
