#include "estimator/step/activation_peak.hpp"

#include <algorithm>
#include <cstddef>
#include <stdexcept>

namespace forerun {
namespace {

// What running one operation does to the memory: first takes, at last gives back.
struct Change {
  Bytes takes;
  Bytes transient;
  Bytes returns;
};

Change change_of(Pass pass, const ChunkMemory& chunk) {
  switch (pass) {
    case Pass::forward:
      return {chunk.kept_for_input + chunk.kept_for_weight, chunk.forward_transient, {}};
    case Pass::backward:
      return {{}, chunk.input_transient, chunk.kept_for_input + chunk.kept_for_weight};
    case Pass::backward_input:
      return {{}, chunk.input_transient, chunk.kept_for_input - chunk.handed_over};
    case Pass::backward_weight:
      return {{}, chunk.weight_transient, chunk.kept_for_weight + chunk.handed_over};
  }
  return {};
}

// What the same does to the host's memory.
ChunkMemory on_host(const ChunkMemory& chunk) {
  ChunkMemory host;
  host.kept_for_input = chunk.offloaded;
  return host;
}

bool any_offloaded(std::span<const ChunkMemory> chunks) {
  return std::ranges::any_of(chunks,
                             [](const ChunkMemory& chunk) { return chunk.offloaded > Bytes(); });
}

std::vector<ChunkMemory> on_host(std::span<const ChunkMemory> chunks) {
  std::vector<ChunkMemory> host;
  host.reserve(chunks.size());
  for (const ChunkMemory& chunk : chunks) {
    host.push_back(on_host(chunk));
  }
  return host;
}

Change together(const Change& a, const Change& b) {
  return {a.takes + b.takes, a.transient + b.transient, a.returns + b.returns};
}

struct Holding {
  Bytes now;
  ActivationPeak peak;

  void run(const Change& change) {
    now += change.takes;
    if (now + change.transient > peak.kept + peak.transient) {
      peak = {now, change.transient, {}};
    }
    now -= change.returns;
  }
};

}  // namespace

ActivationPeak activation_peak(std::span<const PipelineOp> program,
                               std::span<const ChunkMemory> chunks) {
  const auto change = [&](const PipelineOp& op) {
    return change_of(op.pass, chunks[static_cast<std::size_t>(op.chunk)]);
  };
  Holding holding;
  for (std::size_t i = 0; i < program.size(); ++i) {
    if (program[i].pairing == Pairing::with_next && i + 1 < program.size()) {
      holding.run(together(change(program[i]), change(program[i + 1])));
      ++i;
    } else {
      holding.run(change(program[i]));
    }
  }
  if (any_offloaded(chunks)) {
    holding.peak.offloaded = activation_peak(program, on_host(chunks)).kept;
  }
  return holding.peak;
}

std::vector<ActivationPeak> activation_peaks(const PipelineProgram& program,
                                             std::span<const ChunkMemory> chunks) {
  const PipelineShape& shape = program.shape;
  if (std::ssize(chunks) != shape.stages * shape.chunks) {
    throw std::logic_error("chunk memories do not match the shape of the pipeline");
  }
  std::vector<Change> changes(program.count.size());
  for (std::int64_t stage = 0; stage < shape.stages; ++stage) {
    const auto local = chunks.subspan(static_cast<std::size_t>(stage * shape.chunks),
                                      static_cast<std::size_t>(shape.chunks));
    for (std::int64_t chunk = 0; chunk < shape.chunks; ++chunk) {
      const ChunkMemory& memory = local[static_cast<std::size_t>(chunk)];
      for (const Pass pass :
           {Pass::forward, Pass::backward, Pass::backward_input, Pass::backward_weight}) {
        changes[duration_index(shape, stage, chunk, pass)] = change_of(pass, memory);
      }
      for (std::int64_t other = 0; other < pairs_of_chunk(shape); ++other) {
        changes[pair_index(shape, stage, chunk, other)] =
            together(change_of(Pass::forward, memory),
                     change_of(Pass::backward, local[static_cast<std::size_t>(other)]));
      }
    }
  }
  std::vector<Holding> holdings(static_cast<std::size_t>(shape.stages));
  for (const PipelineStep& step : program.steps) {
    holdings[step.stage].run(changes[step.duration]);
  }
  std::vector<ActivationPeak> peaks;
  peaks.reserve(holdings.size());
  for (const Holding& holding : holdings) {
    peaks.push_back(holding.peak);
  }
  if (any_offloaded(chunks)) {
    const auto host = activation_peaks(program, on_host(chunks));
    for (std::size_t stage = 0; stage < peaks.size(); ++stage) {
      peaks[stage].offloaded = host[stage].kept;
    }
  }
  return peaks;
}

}  // namespace forerun
