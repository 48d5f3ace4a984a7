// Kernels of a mixture of experts: each against the reference, and the whole block against a loop.
#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/host_kernel_fixture.hpp"

namespace forerun {
namespace {

class HostExpertKernel : public HostKernel {};

TEST_P(HostExpertKernel, AgreesWithTheReferenceInFp32) {
  expect_agrees(device_, key("fp32"));
}

TEST_P(HostExpertKernel, AgreesWithTheReferenceInBf16) {
  expect_agrees(device_, key("bf16"));
}

// Rows around multiples of 32, experts without rows (an alpha so steep that the last get none).
INSTANTIATE_TEST_SUITE_P(
    GroupedGemm,
    HostExpertKernel,
    testing::Values("grouped_gemm groups=1 rows=1 largest=1 n=1 k=1 nt",
                    "grouped_gemm groups=4 rows=130 largest=50 n=33 k=17 nt",
                    "grouped_gemm groups=4 rows=130 largest=50 n=33 k=17 nn",
                    "grouped_gemm groups=4 rows=130 largest=50 n=33 k=17 tn",
                    "grouped_gemm groups=4 rows=130 largest=50 n=33 k=17 tn acc",
                    "grouped_gemm groups=4 rows=130 largest=50 n=33 k=17 nt acc",
                    "grouped_gemm groups=8 rows=64 largest=64 n=20 k=48 nt",
                    "grouped_gemm groups=8 rows=64 largest=64 n=20 k=48 nn",
                    "grouped_gemm groups=8 rows=64 largest=64 n=20 k=48 tn",
                    "grouped_gemm groups=8 rows=64 largest=64 n=20 k=48 tn acc",
                    "grouped_gemm groups=3 rows=96 largest=32 n=64 k=32 nt",
                    "grouped_gemm groups=3 rows=3 largest=2 n=7 k=5 tn"),
    test_name);

INSTANTIATE_TEST_SUITE_P(Routing,
                         HostExpertKernel,
                         testing::Values("router_forward tokens=1 experts=1 top_k=1",
                                         "router_forward tokens=33 experts=8 top_k=2",
                                         "router_forward tokens=2500 experts=60 top_k=8",
                                         "router_forward tokens=5 experts=4 top_k=4",
                                         "router_backward tokens=33 experts=8 top_k=2",
                                         "router_backward tokens=2500 experts=60 top_k=8",
                                         "router_backward tokens=5 experts=4 top_k=4",
                                         "permute_forward tokens=1 top_k=1 columns=1",
                                         "permute_forward tokens=300 top_k=3 columns=65",
                                         "permute_backward tokens=300 top_k=3 columns=65",
                                         "unpermute_forward tokens=300 top_k=3 columns=65",
                                         "unpermute_backward tokens=300 top_k=3 columns=65",
                                         "unpermute_backward tokens=1 top_k=2 columns=1"),
                         test_name);

INSTANTIATE_TEST_SUITE_P(NormsBehindASum,
                         HostExpertKernel,
                         testing::Values("add_rms_norm_forward rows=1 columns=3",
                                         "add_rms_norm_forward rows=70 columns=517",
                                         "add_rms_norm_backward rows=1 columns=3",
                                         "add_rms_norm_backward rows=70 columns=517",
                                         "add_layer_norm_forward rows=1 columns=3",
                                         "add_layer_norm_forward rows=70 columns=517",
                                         "add_layer_norm_backward rows=1 columns=3",
                                         "add_layer_norm_backward rows=70 columns=517"),
                         test_name);

TEST(HostExpertSort, AgreesWithTheReference) {
  host::HostDevice device{DeviceChoice{}};
  for (const char* text : {"expert_sort int32 tokens=1 experts=1 top_k=1",
                           "expert_sort int32 tokens=37 experts=9 top_k=3",
                           "expert_sort int32 tokens=20000 experts=64 top_k=6"}) {
    expect_agrees(device, key_of(text));
  }
}

TEST(HostRouter, TakesTheLowerOfEqualExperts) {
  host::HostDevice device{DeviceChoice{}};
  const KernelKey key = key_of("router_forward fp32 tokens=1 experts=4 top_k=2");
  const auto results = run_on(device, key, {}, {{1.0, 3.0, 3.0, 3.0}, {0.0, 0.0}, {0.0, 0.0}});
  EXPECT_THAT(results[2], testing::ElementsAre(1.0, 2.0));
  EXPECT_THAT(results[1], testing::ElementsAre(0.5, 0.5));
}

// A feed-forward block of experts, kernel by kernel on the device, and by definition in doubles:
// out(x) = sum over the chosen experts of w_e W2_e silu(gate_e x) * (up_e x).
class ExpertBlock : public testing::Test {
 protected:
  static constexpr std::int64_t tokens = 50;
  static constexpr std::int64_t hidden = 24;
  static constexpr std::int64_t inner = 40;
  static constexpr std::int64_t experts = 6;
  static constexpr std::int64_t top_k = 2;
  static constexpr std::int64_t rows = tokens * top_k;

  using Values = std::vector<double>;

  static Values random(std::int64_t count, unsigned seed) {
    return random_operands(key_of("copy fp32 elements=" + std::to_string(count)), {}, seed)[0];
  }

  // Runs the key; operands that it writes may be left empty.
  ReferenceOperands run(const std::string& text, ReferenceOperands operands) {
    const KernelKey key = key_of(text);
    const auto list = operands_of(key);
    operands.resize(list.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      operands[i].resize(static_cast<std::size_t>(list[i].elements));
    }
    return run_on(device_, key, {}, operands);
  }

  struct Forward {
    Values chosen, weights, row_of, ends, sorted, u, activated, y, out;
  };

  Forward forward(const Values& x, const Values& logits) {
    Forward f;
    auto results = run("router_forward fp32 tokens=50 experts=6 top_k=2", {logits, {}, {}});
    f.weights = results[1];
    f.chosen = results[2];
    results = run("expert_sort int32 tokens=50 experts=6 top_k=2", {f.chosen});
    f.ends = results[1];
    f.row_of = results[2];
    f.sorted = run("permute_forward fp32 tokens=50 top_k=2 columns=24", {x, f.row_of})[2];
    f.u = run(grouped(2 * inner, hidden, "nt"), {f.sorted, w1_, f.ends})[3];
    f.activated = run("swiglu_forward fp32 rows=100 columns=40", {f.u})[1];
    f.y = run(grouped(hidden, inner, "nt"), {f.activated, w2_, f.ends})[3];
    f.out =
        run("unpermute_forward fp32 tokens=50 top_k=2 columns=24", {f.y, f.row_of, f.weights})[3];
    return f;
  }

  struct Gradients {
    Values x, logits, w1, w2;
  };

  Gradients backward(const Forward& f, const Values& d_out) {
    auto results = run("unpermute_backward fp32 tokens=50 top_k=2 columns=24",
                       {f.y, f.row_of, f.weights, d_out});
    const Values dy = results[4];
    const Values d_weights = results[5];
    Gradients g;
    const Values d_activated = run(grouped(hidden, inner, "nn"), {dy, w2_, f.ends})[3];
    g.w2 = run(grouped(hidden, inner, "tn"), {dy, f.activated, f.ends})[3];
    const Values du = run("swiglu_backward fp32 rows=100 columns=40", {f.u, d_activated})[2];
    const Values d_sorted = run(grouped(2 * inner, hidden, "nn"), {du, w1_, f.ends})[3];
    g.w1 = run(grouped(2 * inner, hidden, "tn"), {du, f.sorted, f.ends})[3];
    g.x = run("permute_backward fp32 tokens=50 top_k=2 columns=24", {d_sorted, f.row_of})[2];
    g.logits = run("router_backward fp32 tokens=50 experts=6 top_k=2",
                   {f.chosen, f.weights, d_weights})[3];
    return g;
  }

  // By definition, without sorting anything.
  [[nodiscard]] Values defined(const Values& x, const Values& logits) const {
    Values out(static_cast<std::size_t>(tokens * hidden), 0.0);
    for (std::int64_t token = 0; token < tokens; ++token) {
      std::vector<std::int64_t> order(experts);
      std::iota(order.begin(), order.end(), 0);
      const auto logit = [&](std::int64_t e) {
        return logits[static_cast<std::size_t>(token * experts + e)];
      };
      std::ranges::sort(order, std::greater<>(), logit);
      const double sum = std::exp(logit(order[0])) + std::exp(logit(order[1]));
      for (const std::int64_t expert : {order[0], order[1]}) {
        add_expert(x, token, expert, std::exp(logit(expert)) / sum, out);
      }
    }
    return out;
  }

  Values w1_ = random(experts * 2 * inner * hidden, 3);
  Values w2_ = random(experts * hidden * inner, 4);

 private:
  // `rows` of any distribution: the key's `largest` only says how to time it.
  static std::string grouped(std::int64_t n, std::int64_t k, const char* layout) {
    return "grouped_gemm fp32 groups=6 rows=100 largest=17 n=" + std::to_string(n) +
           " k=" + std::to_string(k) + " " + layout;
  }

  void add_expert(
      const Values& x, std::int64_t token, std::int64_t expert, double weight, Values& out) const {
    const auto product = [&](std::int64_t row) {
      double sum = 0.0;
      for (std::int64_t j = 0; j < hidden; ++j) {
        sum += w1_[static_cast<std::size_t>((expert * 2 * inner + row) * hidden + j)] *
               x[static_cast<std::size_t>(token * hidden + j)];
      }
      return sum;
    };
    for (std::int64_t i = 0; i < inner; ++i) {
      const double gate = product(i);
      const double activated = gate / (1.0 + std::exp(-gate)) * product(inner + i);
      for (std::int64_t j = 0; j < hidden; ++j) {
        out[static_cast<std::size_t>(token * hidden + j)] +=
            weight * w2_[static_cast<std::size_t>((expert * hidden + j) * inner + i)] * activated;
      }
    }
  }

  host::HostDevice device_{DeviceChoice{}};
};

TEST_F(ExpertBlock, EqualsALoopOverTokensAndTheirExperts) {
  const Values x = random(tokens * hidden, 1);
  const Values logits = random(tokens * experts, 2);
  EXPECT_LT(relative_error(forward(x, logits).out, defined(x, logits)), 1e-5);
}

// Along random directions: the slope of sum(out d_out) is the sum of gradient times direction. The
// definition's central difference in doubles is exact to 1e-8, the kernels' gradients to 1e-5.
TEST_F(ExpertBlock, HasTheGradientsOfTheDefinition) {
  const Values x = random(tokens * hidden, 1);
  const Values logits = random(tokens * experts, 2);
  const Values d_out = random(tokens * hidden, 5);
  const Gradients gradients = backward(forward(x, logits), d_out);
  const auto slope = [&](Values& moved, const Values& direction, const auto& loss) {
    constexpr double h = 1e-6;
    const Values kept = moved;
    const auto at = [&](double step) {
      for (std::size_t i = 0; i < moved.size(); ++i) {
        moved[i] = kept[i] + step * direction[i];
      }
      return loss();
    };
    const double difference = (at(h) - at(-h)) / (2.0 * h);
    moved = kept;
    return difference;
  };
  Values x_moved = x;
  Values logits_moved = logits;
  const auto loss = [&] {
    const Values out = defined(x_moved, logits_moved);
    return std::inner_product(out.begin(), out.end(), d_out.begin(), 0.0);
  };
  const auto expect_slope = [&](Values& moved, const Values& gradient, const char* what) {
    const Values direction = random(std::ssize(moved), 6);
    const double expected = slope(moved, direction, loss);
    const double actual =
        std::inner_product(gradient.begin(), gradient.end(), direction.begin(), 0.0);
    const double size =
        std::sqrt(std::inner_product(gradient.begin(), gradient.end(), gradient.begin(), 0.0));
    EXPECT_NEAR(actual / size, expected / size, 1e-4) << what;
  };
  expect_slope(x_moved, gradients.x, "x");
  expect_slope(logits_moved, gradients.logits, "logits");
  expect_slope(w1_, gradients.w1, "w1");
  expect_slope(w2_, gradients.w2, "w2");
}

}  // namespace
}  // namespace forerun
