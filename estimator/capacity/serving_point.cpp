#include "estimator/capacity/serving_point.hpp"

#include <algorithm>
#include <cmath>

#include "estimator/capacity/serving_memory.hpp"
#include "units/integer.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

double mean_context(const Workload& workload) {
  return real(workload.input_tokens) + 0.5 * real(workload.output_tokens);
}

bool has_draft(const ServedModel& served) {
  return served.speculation && served.speculation->draft;
}

Bytes all_weights(const ServedModel& served) {
  return weight_bytes(served) + (has_draft(served) ? weight_bytes(served_draft(served)) : Bytes());
}

Bytes all_caches(const ServedModel& served, double tokens) {
  return cache_bytes(served, tokens) +
         (has_draft(served) ? cache_bytes(served_draft(served), tokens) : Bytes());
}

ServingMemory memory_of(const ServedModel& served,
                        const Workload& workload,
                        const PassShape& widest) {
  return {all_weights(served),
          real(widest.decodes) * all_caches(served, mean_context(workload)),
          workspace_bytes(served, widest)};
}

// Tokens of each decoding sequence that a pass of the served model takes, and that it yields.
std::int64_t queries_of(const ServedModel& served) {
  return served.speculation ? served.speculation->tokens + 1 : 1;
}

double yield_of(const ServedModel& served) {
  return served.speculation ? tokens_of_a_round(*served.speculation) : 1.0;
}

// All of it as the draft's part.
PassTime as_draft(PassTime time) {
  const Seconds all = time.total();
  time.parts = {};
  time.parts.at(static_cast<std::size_t>(ServingPart::draft)) = all;
  return time;
}

// One pass of the served model and, before it, those of the draft: one a proposed token, the first
// with the prompts. Every stage holds the draft, which proposes for one wave while the stages check
// the others.
PassTime round_time(const ServedModel& served, const PassShape& pass, const PriceList& prices) {
  PassShape checking = pass;
  checking.queries = queries_of(served);
  PassTime time = iteration_time(served, checking, prices);
  if (!has_draft(served)) {
    return time;
  }
  const ServedModel draft = served_draft(served);
  const PassShape wave = wave_of(served, pass);
  PassShape later = wave;
  later.prompts = 0.0;
  PassTime proposed = iteration_time(draft, later, prices);
  proposed.scale(real(served.speculation->tokens - 1));
  proposed += iteration_time(draft, wave, prices);
  time += as_draft(proposed);
  return time;
}

// Prompt tokens of one pass that has some: a whole prompt at least, what comes in if that is more,
// never more than fit beside the decoded tokens.
double chunk_tokens(const Workload& workload, double arriving, double room) {
  return std::clamp(arriving, std::min(real(workload.input_tokens), room), room);
}

// Mean wait in an M/D/1 queue, load / (2 (1 - load)) services; in a closed loop of `sequences` at
// most half of the others are ahead.
Seconds queueing(double load, Seconds service, double sequences) {
  const double bound = 0.5 * std::max(0.0, sequences - 1.0);
  const double open = load < 1.0 ? load / (2.0 * (1.0 - load)) : bound;
  return std::min(open, bound) * service;
}

}  // namespace

double ServingPoint::tokens_per_s_per_device() const {
  return tokens_per_s / real(devices_of(layout));
}

std::optional<ServingPoint> continuous_point(const ServedModel& served,
                                             const Workload& workload,
                                             std::int64_t batch,
                                             const PriceList& prices) {
  const std::int64_t groups = attention_groups(served.layout);
  const auto sequences = batch / groups;
  const double prompt = real(workload.input_tokens);
  const double yield = yield_of(served);
  const double arriving = yield * real(sequences) * prompt / real(workload.output_tokens);
  const double room = real(workload.pass_tokens) * real(served.layout.pipeline) -
                      real(sequences * queries_of(served));
  if (sequences < 1 || arriving > room) {
    return std::nullopt;
  }
  const double chunk = chunk_tokens(workload, arriving, room);
  const PassShape decode{sequences, mean_context(workload), 0.0, workload.input_tokens};
  PassShape mixed = decode;
  mixed.prompts = chunk / prompt;
  PassTime with_prompt = round_time(served, mixed, prices);
  const Seconds pass = with_prompt.total();
  const double mixed_share = arriving / chunk;

  ServingPoint point;
  point.layout = served.layout;
  point.batch = sequences * groups;
  point.time = round_time(served, decode, prices);
  point.time.scale(1.0 - mixed_share);
  with_prompt.scale(mixed_share);
  point.time += with_prompt;
  point.time.scale(1.0 / yield);
  point.tpot = point.time.total();
  point.prefill_load = arriving / room;
  const Seconds service = (prompt / chunk) * pass;
  point.ttft = std::max(1.0, std::ceil(prompt / chunk)) * pass +
               queueing(point.prefill_load, service, real(sequences));
  point.tokens_per_s = real(point.batch) / point.tpot.in(unit::second);
  point.memory = memory_of(served, workload, mixed);
  return point;
}

ServingPoint decode_point(const ServedModel& served,
                          const Workload& workload,
                          std::int64_t batch,
                          const PriceList& prices) {
  const std::int64_t groups = attention_groups(served.layout);
  const PassShape pass{std::max<std::int64_t>(1, batch / groups),
                       mean_context(workload),
                       0.0,
                       workload.input_tokens};
  ServingPoint point;
  point.layout = served.layout;
  point.batch = pass.decodes * groups;
  point.time = round_time(served, pass, prices);
  point.time.scale(1.0 / yield_of(served));
  point.tpot = point.time.total();
  point.tokens_per_s = real(point.batch) / point.tpot.in(unit::second);
  point.memory = memory_of(served, workload, pass);
  return point;
}

ServingPoint prefill_point(const ServedModel& served,
                           const Workload& workload,
                           const PriceList& prices) {
  const std::int64_t prompts =
      std::max<std::int64_t>(1, workload.pass_tokens / workload.input_tokens);
  const PassShape pass{0, 0.0, real(prompts), workload.input_tokens};
  ServingPoint point;
  point.layout = served.layout;
  point.batch = prompts * attention_groups(served.layout);
  point.time = prefill_time(served, pass, prices);
  if (has_draft(served)) {
    point.time += as_draft(prefill_time(served_draft(served), pass, prices));
  }
  const Seconds computed = point.time.total();
  const Bytes sent = all_caches(served, real(workload.input_tokens));
  const CollectiveKey way{Collective::send_recv,
                          static_cast<std::int64_t>(sent.in(unit::byte)),
                          activation_type(served.format.weights),
                          {2, 1, served.devices_per_node}};
  point.ttft = computed + prices.collective(way).time;
  // With pp stages as many batches are on their way at once.
  const double rate = real(point.batch * served.layout.pipeline) / computed.in(unit::second);
  point.tokens_per_s = rate * real(workload.output_tokens);
  point.memory = {all_weights(served),
                  real(prompts) * all_caches(served, real(workload.input_tokens)),
                  workspace_bytes(served, pass)};
  return point;
}

std::int64_t most_sequences(const ServedModel& served, const Workload& workload, Bytes usable) {
  const std::int64_t groups = attention_groups(served.layout);
  const Bytes each = all_caches(served, mean_context(workload));
  const std::int64_t queries = queries_of(served);
  const Bytes logits = workspace_bytes(served, {2, 0.0, 0.0, 1, queries}) -
                       workspace_bytes(served, {1, 0.0, 0.0, 1, queries});
  // Rows of a full pass; a sequence more means its cache and its logits more.
  PassShape full{1, 0.0, 0.0, 1, queries};
  full.prompts = real(workload.pass_tokens);
  const Bytes left = usable - all_weights(served) - workspace_bytes(served, full);
  const double fit = left / (each + logits);
  return fit < 1.0 ? 0 : static_cast<std::int64_t>(std::floor(fit)) * groups;
}

StaticBatch static_batch(const ServedModel& served,
                         const Workload& workload,
                         std::int64_t batch,
                         const PriceList& prices) {
  const std::int64_t groups = attention_groups(served.layout);
  const std::int64_t sequences = std::max<std::int64_t>(1, batch / groups);
  const PassShape prompts{0, 0.0, real(sequences), workload.input_tokens};
  PassShape step{sequences, 0.0, 0.0, workload.input_tokens};
  step.context = mean_context(workload);
  PassTime all = batch_prefill_time(served, prompts, prices);
  StaticBatch time;
  time.first_token = all.total();
  time.first_token_error = all.relative_error();
  PassTime steps = round_time(served, step, prices);
  steps.scale(real(std::max<std::int64_t>(0, workload.output_tokens - 1)) / yield_of(served));
  all += steps;
  time.latency = all.total();
  time.latency_error = all.relative_error();
  return time;
}

}  // namespace forerun
