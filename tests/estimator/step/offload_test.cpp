// Offloading worked by hand: what moves, how long the device waits, what lies where.
#include "estimator/step/offload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "estimator/step/step_time.hpp"
#include "kernels/kernel_cost.hpp"
#include "tests/estimator/step/step_jobs.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using testing::HasSubstr;

const HostLink link_of_1{1.0 * unit::byte / unit::second, 10.0 * unit::byte / unit::second, 0.0};

double exposed(const HostTransfers& transfers) {
  return transfers.exposed().in(unit::second);
}

PassTraffic moving(double in, double out) {
  return {in * unit::byte, out * unit::byte};
}

Seconds lasting(double time) {
  return time * unit::second;
}

// Four layers of 3 s that leave 5 bytes each, between an embedding of 1 s and a head of 2 s: the
// first layer has nothing beside it, the other three and the head each have a layer's 5 s.
TEST(HostTransfers, LeaveBesideTheNextLayer) {
  HostTransfers transfers(link_of_1);
  transfers.add({}, lasting(1), 1);
  transfers.add(moving(0, 5), lasting(3), 4);
  transfers.add({}, lasting(2), 1);
  EXPECT_DOUBLE_EQ(exposed(transfers), 3 * (5 - 3) + (5 - 2));
  EXPECT_DOUBLE_EQ(transfers.alone().in(unit::second), 20.0);
}

// The other way round: the head already waits for the last layer, the first layer for nothing.
TEST(HostTransfers, ComeInBesideTheLayerBefore) {
  HostTransfers transfers(link_of_1);
  transfers.add({}, lasting(2), 1);
  transfers.add(moving(5, 0), lasting(6), 4);
  transfers.add({}, lasting(1), 1);
  EXPECT_DOUBLE_EQ(exposed(transfers), 5 - 2);
}

// Both directions at once: the longer of 5 and 4 counts, or the 3 s of the layer.
TEST(HostTransfers, GoBothWaysAtOnce) {
  HostTransfers transfers(link_of_1);
  transfers.add(moving(5, 4), lasting(3), 2);
  EXPECT_DOUBLE_EQ(exposed(transfers), 2 * (5 - 3));
  EXPECT_DOUBLE_EQ(transfers.alone().in(unit::second), 2 * 9.0);
}

// Passes follow each other: the only layer leaves beside itself, in the next pass.
TEST(HostTransfers, OfOneLayerRunBesideTheNextPass) {
  HostTransfers transfers(link_of_1);
  transfers.add(moving(0, 2), lasting(3), 1);
  EXPECT_DOUBLE_EQ(exposed(transfers), 0);
}

Job llama_8b_layers(const ParallelLayout& layout) {
  Job job = small_llama(layout, 4);
  job.model.hidden = 4096;
  job.model.ffn_hidden = 14336;
  job.model.attention.heads = 32;
  job.model.attention.kv_heads = 8;
  job.model.attention.head_size = 128;
  job.model.max_positions = 8192;
  job.recipe.sequence = 1024;
  job.recipe.precision = Precision::bf16;
  return job;
}

// 4096 (4096 + 2 * 1024) + 4096^2 + 3 * 4096 * 14336 + two norms.
constexpr double layer_parameters = 218'112'000.0;

TEST(LayerTraffic, IsTheTensorsThatALayerHolds) {
  Job job = llama_8b_layers({.data = 2});
  const Bytes kept = 100.0 * unit::byte;
  EXPECT_EQ(layer_traffic(job, 1, kept).forward.out, Bytes());
  job.recipe.offload = {true, false, false};
  EXPECT_EQ(layer_traffic(job, 1, kept).forward.out, kept);
  EXPECT_EQ(layer_traffic(job, 1, kept).backward.in, kept);
  job.recipe.offload = {false, false, true};
  const PartTraffic weights = layer_traffic(job, 1, kept);
  EXPECT_DOUBLE_EQ(weights.forward.in.in(unit::byte), 2 * layer_parameters);
  EXPECT_DOUBLE_EQ(weights.backward.in.in(unit::byte), 2 * layer_parameters);
  EXPECT_EQ(weights.forward.out, Bytes());
  // Only its own half comes from the host where replicas share the weights.
  job.recipe.offload.optimizer = true;
  job.recipe.zero = ZeroStage::parameters;
  EXPECT_DOUBLE_EQ(layer_traffic(job, 1, kept).forward.in.in(unit::byte), layer_parameters);
  EXPECT_EQ(layer_traffic(job, 1, kept).gradients, Bytes());
  job.recipe.software.offloaded_update = OffloadedUpdate::host_with_gradients;
  EXPECT_DOUBLE_EQ(layer_traffic(job, 1, kept).gradients.in(unit::byte),
                   4.0 * layer_parameters / 2);
}

// ZeRO-1 of 2: half of 12 bytes a parameter streams both ways; or 4 bytes of gradient leave, 2 of
// weight come back; with whole weights on the host those go on, layer by layer.
TEST(TailOffload, MovesBytesAParameter) {
  Job job = llama_8b_layers({.data = 2});
  job.recipe.offload = {false, true, false};
  const StageWeights weights = stage_weights(job, 0);
  const auto half = static_cast<double>(weights.elements) / 2.0;
  const auto tail = [&] { return *tail_offload(job, weights, link_of_1); };
  EXPECT_DOUBLE_EQ(tail().state_in.in(unit::byte), 12.0 * half);
  EXPECT_DOUBLE_EQ(tail().state_out.in(unit::byte), 12.0 * half);
  EXPECT_EQ(tail().gradients, Bytes());
  job.recipe.software.offloaded_update = OffloadedUpdate::host;
  EXPECT_EQ(tail().state_in, Bytes());
  EXPECT_DOUBLE_EQ(tail().gradients.in(unit::byte), 4.0 * half);
  EXPECT_DOUBLE_EQ(tail().weights_in.in(unit::byte), 2.0 * half);
  EXPECT_FALSE(tail().gradients_hide);
  job.recipe.offload.weights = true;
  EXPECT_DOUBLE_EQ(tail().weights_out.in(unit::byte), 2.0 * 4 * layer_parameters);
  // Each keeps its own: only embedding, head and final norm come back.
  job.recipe.zero = ZeroStage::parameters;
  EXPECT_DOUBLE_EQ(tail().weights_in.in(unit::byte), 2.0 * (half - 4 * layer_parameters / 2));
  EXPECT_EQ(tail().weights_out, Bytes());
}

// Kernels that take no time: what is left is the link and the host.
PriceList free_kernels() {
  return {[](const KernelKey&) {
            return Price{Seconds(), Tier::measured, 0.0};
          },
          [](const CollectiveKey&) {
            return Price{Seconds(), Tier::measured, 0.0};
          }};
}

StepBreakdown offloaded_breakdown(const Job& job, const HostLink& link) {
  return estimate_step(job, {8}, free_kernels(), {Overlap::on, host_overheads(), {Seconds(), link}})
      .breakdown;
}

const HostLink pcie{
    25.0 * unit::gigabyte / unit::second, 40.0 * unit::gigabyte / unit::second, 0.2};

// 34 h + 136 bytes a token and layer (memory_test.cpp), out and in, eight micro-batches of 1024
// tokens, four layers, at 25 GB/s.
TEST(OffloadedStep, WaitsForActivations) {
  Job job = llama_8b_layers({});
  job.recipe.offload = {true, false, false};
  const double kept = 1024.0 * (34.0 * 4096 + 4 * 32 + 8);
  EXPECT_NEAR(
      offloaded_breakdown(job, pcie).offload.in(unit::second), 8 * 2 * 4 * kept / 25e9, 1e-12);
  // Where layers are recomputed their inputs are all that moves.
  job.recipe.recompute.kind = Recompute::full;
  EXPECT_NEAR(offloaded_breakdown(job, pcie).offload.in(unit::second),
              8 * 2 * 4 * 1024.0 * 2 * 4096 / 25e9,
              1e-12);
}

TEST(OffloadedStep, WaitsForWeights) {
  Job job = llama_8b_layers({});
  job.recipe.offload = {false, false, true};
  // In for each pass of each micro-batch, and out when they are updated.
  EXPECT_NEAR(offloaded_breakdown(job, pcie).offload.in(unit::second),
              (8 * 2 * 4 + 4) * 2 * layer_parameters / 25e9,
              1e-9);
}

// 30 bytes a parameter over 40 GB/s of the host's memory, 4 bytes out and 2 in over the link.
TEST(OffloadedStep, WaitsForTheHostsUpdate) {
  Job job = llama_8b_layers({});
  job.recipe.offload = {false, true, false};
  job.recipe.software.offloaded_update = OffloadedUpdate::host;
  const auto elements = static_cast<double>(stage_weights(job, 0).elements);
  const StepBreakdown parts = offloaded_breakdown(job, pcie);
  EXPECT_NEAR(parts.optimizer.in(unit::second), 30.0 * elements / 40e9, 1e-9);
  EXPECT_NEAR(parts.offload.in(unit::second), 6.0 * elements / 25e9, 1e-9);
  job.recipe.software.offloaded_update = OffloadedUpdate::device;
  const StepBreakdown streamed = offloaded_breakdown(job, pcie);
  EXPECT_EQ(streamed.optimizer, Seconds());
  EXPECT_NEAR(streamed.offload.in(unit::second), 12.0 * elements / 25e9, 1e-9);
}

// ZeRO-3 over 2: half of 4 bytes leaves in every one of 4 micro-batches and
// from the second on comes in, three quarters on average: two slots bring only, four also take
// away.
TEST(OffloadedStep, SendsReducedGradientsAtOnce) {
  Job job = llama_8b_layers({.data = 2});
  job.recipe.offload = {false, true, false};
  job.recipe.zero = ZeroStage::parameters;
  job.recipe.software.offloaded_update = OffloadedUpdate::host_with_gradients;
  const auto elements = static_cast<double>(stage_weights(job, 0).elements) / 2.0;
  EXPECT_NEAR(offloaded_breakdown(job, pcie).offload.in(unit::second),
              (4 * (2 * 0.75 + 4) * 4.0 * layer_parameters / 2 + 2.0 * elements) / 25e9,
              1e-9);
}

TEST(OffloadedStep, WaitsNothingForALinkThatKeepsUp) {
  Job job = llama_8b_layers({});
  job.recipe.offload = {true, false, false};
  PriceList slow = free_kernels();
  slow.kernel = [](const KernelKey&) { return Price{1.0 * unit::second, Tier::measured, 0.0}; };
  const StepBreakdown parts =
      estimate_step(job, {8}, slow, {Overlap::on, host_overheads(), {Seconds(), pcie}}).breakdown;
  EXPECT_EQ(parts.offload, Seconds());
}

StageMemory offloaded_memory(const Job& job, std::size_t stage = 0) {
  const WorkBuilder builder(job, {8});
  return step_memory(job, builder, host_overheads())[stage];
}

// 4 + 2 bytes a parameter stay, 12 lie on the host; with an update there the gradients too.
TEST(OffloadedMemory, CountsBytesAParameter) {
  Job job = llama_8b_layers({});
  const auto elements = static_cast<double>(stage_weights(job, 0).elements);
  job.recipe.offload = {false, true, false};
  const double two_layers = 2.0 * layer_parameters;
  EXPECT_DOUBLE_EQ(offloaded_memory(job).host.in(unit::byte), 12.0 * elements);
  EXPECT_DOUBLE_EQ(offloaded_memory(job).optimizer_states.in(unit::byte), 12.0 * two_layers);
  EXPECT_DOUBLE_EQ(offloaded_memory(job).weights.in(unit::byte), 2.0 * elements);
  job.recipe.software.offloaded_update = OffloadedUpdate::host;
  EXPECT_DOUBLE_EQ(offloaded_memory(job).host.in(unit::byte), 16.0 * elements);
  EXPECT_EQ(offloaded_memory(job).optimizer_states, Bytes());
  EXPECT_DOUBLE_EQ(offloaded_memory(job).gradients.in(unit::byte), 4.0 * elements);
  job.recipe.offload = {false, false, true};
  EXPECT_DOUBLE_EQ(offloaded_memory(job).host.in(unit::byte), 2.0 * 4 * layer_parameters);
  EXPECT_DOUBLE_EQ(offloaded_memory(job).weights.in(unit::byte),
                   2.0 * (elements - 4 * layer_parameters + two_layers));
}

// The first of two stages has two micro-batches in flight, two layers each.
TEST(OffloadedMemory, HoldsActivationsInFlightOnTheHost) {
  Job job = llama_8b_layers({.pipeline = 2});
  const double kept = 1024.0 * (34.0 * 4096 + 4 * 32 + 8);
  const StageMemory before = offloaded_memory(job);
  job.recipe.offload = {true, false, false};
  const StageMemory after = offloaded_memory(job);
  EXPECT_DOUBLE_EQ(after.host.in(unit::byte), 2 * 2 * kept);
  EXPECT_DOUBLE_EQ((before.activations - after.activations).in(unit::byte), 2 * 2 * kept);
  EXPECT_DOUBLE_EQ((after.transient - before.transient).in(unit::byte), 2 * kept);
}

std::string offload_refusal(const Job& job) {
  return unsupported_because(job).value_or("accepted");
}

TEST(OffloadSupport, RefusesWhatCannotCombineWithTheReason) {
  Job job = llama_8b_layers({.pipeline = 2, .data = 2});
  for (const Offload& offload : every_offload()) {
    job.recipe.offload = offload;
    EXPECT_EQ(offload_refusal(job), "accepted") << text_of(offload);
  }
  job.recipe.offload = {true, false, false};
  job.recipe.schedule = Schedule::zb_h1;
  EXPECT_THAT(offload_refusal(job), HasSubstr("--schedule zb-h1"));
  job.recipe.offload = {false, true, false};
  EXPECT_EQ(offload_refusal(job), "accepted");
  job.recipe.schedule.reset();
  job.recipe.offload = {false, false, true};
  job.recipe.precision = Precision::fp8;
  EXPECT_THAT(offload_refusal(job), HasSubstr("--precision fp8"));
  job.recipe.precision = Precision::bf16;
  job.recipe.zero = ZeroStage::parameters;
  EXPECT_THAT(offload_refusal(job), HasSubstr("optimizer,weights"));
  job.recipe.zero = ZeroStage::optimizer;
  job.recipe.tuning = Tuning::lora;
  EXPECT_THAT(offload_refusal(job), HasSubstr("adapters"));
  job.recipe.tuning = Tuning::full;
  job.teacher = job.model;
  EXPECT_THAT(offload_refusal(job), HasSubstr("--teacher"));
}

TEST(OffloadSupport, IsNotExecuted) {
  Job job = llama_8b_layers({});
  EXPECT_FALSE(not_executed_because(job));
  job.recipe.offload = {true, true, false};
  EXPECT_EQ(*not_executed_because(job), "--offload activations,optimizer is estimated only");
}

}  // namespace
}  // namespace forerun
