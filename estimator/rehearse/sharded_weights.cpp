#include "estimator/rehearse/sharded_weights.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>

#include "estimator/rehearse/host_matrix.hpp"
#include "estimator/step/pipeline_schedule.hpp"
#include "estimator/step/work_list.hpp"
#include "units/integer.hpp"

namespace forerun {
namespace {

constexpr std::int64_t alignment = 16;  // elements, as in the flat buffers

// The embedding alone, so that the two stages that hold a tied one cut it alike.
constexpr std::int64_t embedding_unit = -1;
constexpr std::int64_t beside_embedding = -2;

std::int64_t unit_of(TensorId id, std::int64_t layers) {
  if (id.layer >= 0) {
    return id.layer;
  }
  switch (id.name) {
    case TensorName::w_embedding:
      return embedding_unit;
    case TensorName::w_position:
    case TensorName::w_embedding_norm:
    case TensorName::b_embedding_norm:
      return beside_embedding;
    default:
      return layers;
  }
}

char* bytes_behind(void* memory, std::int64_t elements, std::size_t size) {
  return static_cast<char*>(memory) + static_cast<std::size_t>(elements) * size;
}

}  // namespace

bool shards_units(const Job& job) {
  return state_shards(job).gradients > 1;
}

std::optional<std::string> sharding_not_executed_because(const Job& job) {
  if (!shards_units(job)) {
    return std::nullopt;
  }
  if (job.model.moe) {
    return "experts with --zero 2 and 3 are estimated only (rehearse runs them with 0 and 1)";
  }
  if (job.model.embedding_norm && job.recipe.zero == ZeroStage::parameters) {
    return "--zero 3 with a norm behind the embedding is estimated only: the backward pass would "
           "have to gather it again";
  }
  if (job.recipe.shard_group > 0) {
    return "--fsdp hsdp:N is estimated only (rehearse runs --fsdp full)";
  }
  if (splits_backward(schedule_of(job))) {
    return "--zero 3 with a schedule that splits backward passes is estimated only";
  }
  if (job.layout.tensor > job.model.attention.kv_heads) {
    return "--zero 3 with fewer key-value heads than tensor ranks is estimated only";
  }
  return std::nullopt;
}

ShardedWeights::ShardedWeights(
    Device& device, BufferPool& pool, const Job& job, StageWeights weights, std::int64_t rank)
    : device_(device),
      pool_(pool),
      weights_(std::move(weights)),
      type_(data_type_of(job.recipe.precision)),
      ranks_(state_shards(job).gradients),
      rank_(rank),
      layers_(job.model.layers),
      shards_weights_(state_shards(job).weights > 1),
      keeps_whole_(job.recipe.keeps_gathered_weights),
      head_is_tied_(job.model.tied_embeddings) {
  add_units(weights_);
  const std::size_t bytes = static_cast<std::size_t>(own_elements_) * sizeof(float);
  master_ = pool_.take_for_good(bytes);
  sum_ = pool_.take_for_good(bytes);
  moment1_ = pool_.take_for_good(bytes);
  moment2_ = pool_.take_for_good(bytes);
}

void ShardedWeights::add_units(const StageWeights& weights) {
  for (const WeightSpec& spec : weights.specs) {
    const std::int64_t key = unit_of(spec.id, layers_);
    auto found = std::ranges::find(units_, key, &Unit::key);
    if (found == units_.end()) {
      units_.emplace_back().key = key;
      found = std::prev(units_.end());
    }
    found->specs.push_back(&spec);
    found->offsets.push_back(found->elements);
    found->elements += rounded_up(spec.rows * spec.columns, alignment);
    if (spec.offset < weights.tensor_summed_elements) {
      found->summed = found->elements;
    }
  }
  for (Unit& unit : units_) {
    unit.elements = rounded_up(unit.elements, alignment * ranks_);
    unit.first = own_elements_;
    own_elements_ += part_of(unit);
  }
}

std::vector<ShardedWeights::Unit*> ShardedWeights::units_of(std::int64_t layer) {
  std::vector<std::int64_t> keys{layer};
  if (layer == embedding_unit) {
    keys.push_back(beside_embedding);
  } else if (layer == layers_ && head_is_tied_) {
    keys.push_back(embedding_unit);
  }
  std::vector<Unit*> units;
  for (Unit& unit : units_) {
    if (std::ranges::find(keys, unit.key) != keys.end()) {
      units.push_back(&unit);
    }
  }
  return units;
}

void* ShardedWeights::part(const DeviceBuffer& buffer, const Unit& unit) {
  return bytes_behind(buffer.data(), unit.first, sizeof(float));
}

void* ShardedWeights::slot(const DeviceBuffer& buffer, const Unit& unit, DataType type) const {
  return bytes_behind(buffer.data(), rank_ * part_of(unit), element_bytes(type));
}

ShardedWeights::Overlap ShardedWeights::own(const Unit& unit,
                                            std::int64_t from,
                                            std::int64_t to) const {
  const std::int64_t first = rank_ * part_of(unit);
  const std::int64_t begin = std::max(from, first);
  return {begin, std::max(begin, std::min(to, first + part_of(unit)))};
}

void ShardedWeights::initialise(const std::vector<float>& values) {
  std::vector<float> own_values(static_cast<std::size_t>(own_elements_), 0.0F);
  for (const Unit& unit : units_) {
    for (std::size_t i = 0; i < unit.specs.size(); ++i) {
      const WeightSpec& spec = *unit.specs[i];
      const std::int64_t at = unit.offsets[i];
      const Overlap held = own(unit, at, at + spec.rows * spec.columns);
      const auto from = values.begin() + spec.offset + (held.from - at);
      std::copy(from,
                from + (held.to - held.from),
                own_values.begin() + unit.first + (held.from - rank_ * part_of(unit)));
    }
  }
  device_.copy_in(master_.data(), own_values.data(), master_.bytes());
  for (const DeviceBuffer* const state : {&sum_, &moment1_, &moment2_}) {
    device_.set_zero(state->data(), state->bytes());
  }
  for (Unit& unit : units_) {
    for (DeviceBuffer* const buffer : {&unit.whole, &unit.gradient}) {
      if (buffer->data() != nullptr) {
        pool_.give_back(std::move(*buffer));
      }
    }
    if (!shards_weights_) {
      fill_whole(unit, values);
    }
  }
}

void ShardedWeights::fill_whole(Unit& unit, const std::vector<float>& values) {
  HostMatrix whole{1, std::vector<float>(static_cast<std::size_t>(unit.elements), 0.0F)};
  for (std::size_t i = 0; i < unit.specs.size(); ++i) {
    const WeightSpec& spec = *unit.specs[i];
    std::copy_n(values.begin() + spec.offset,
                spec.rows * spec.columns,
                whole.values.begin() + unit.offsets[i]);
  }
  unit.whole = pool_.take(whole.values.size() * element_bytes(type_));
  write_matrix(device_, whole, type_, unit.whole.data());
}

std::pair<std::size_t, std::size_t> ShardedWeights::place_of(TensorId id) const {
  id.gradient = false;
  const auto unit = std::ranges::find(units_, unit_of(id, layers_), &Unit::key);
  const auto spec =
      std::ranges::find_if(unit->specs, [&](const WeightSpec* known) { return known->id == id; });
  return {static_cast<std::size_t>(unit - units_.begin()),
          static_cast<std::size_t>(spec - unit->specs.begin())};
}

void* ShardedWeights::weight(TensorId id) const {
  const auto [index, among] = place_of(id);
  const Unit& unit = units_[index];
  if (unit.whole.data() == nullptr) {
    throw std::logic_error("a kernel reads weights that are not gathered");
  }
  return bytes_behind(unit.whole.data(), unit.offsets[among], element_bytes(type_));
}

void* ShardedWeights::gradient(TensorId id) {
  const auto [index, among] = place_of(id);
  Unit& unit = units_[index];
  if (unit.gradient.data() == nullptr) {
    unit.gradient = pool_.take(static_cast<std::size_t>(unit.elements) * sizeof(float));
    device_.set_zero(unit.gradient.data(), unit.gradient.bytes());
  }
  return bytes_behind(unit.gradient.data(), unit.offsets[among], sizeof(float));
}

void* ShardedWeights::begin_whole(Unit& unit) {
  if (unit.whole.data() == nullptr) {
    unit.whole = pool_.take(static_cast<std::size_t>(unit.elements) * element_bytes(type_));
  }
  void* const own_slot = slot(unit.whole, unit, type_);
  const KernelOp op = type_ == DataType::fp32 ? KernelOp::copy : KernelOp::narrow;
  const std::vector<void*> operands{part(master_, unit), own_slot};
  device_.run({op, type_, FlatShape{part_of(unit)}}, operands, KernelScalars{});
  return own_slot;
}

void ShardedWeights::make_whole(Unit& unit, Communicator& group) {
  void* const own_slot = begin_whole(unit);
  group.all_gather(own_slot, unit.whole.data(), part_of(unit), type_);
}

bool ShardedWeights::is_whole(std::int64_t layer) const {
  const auto unit = std::ranges::find(units_, layer, &Unit::key);
  return unit == units_.end() || unit->whole.data() != nullptr;
}

void ShardedWeights::gather(std::int64_t layer, Communicator& group) {
  const std::vector<Unit*> units = units_of(layer);
  if (!keeps_whole_) {
    drop_whole(gathers_ahead_ ? units : std::vector<Unit*>());
  }
  finish_ahead(group);
  for (Unit* const unit : units) {
    if (unit->whole.data() == nullptr) {
      make_whole(*unit, group);
    }
  }
}

void ShardedWeights::gather_ahead(std::int64_t layer, Communicator& group) {
  finish_ahead(group);
  for (Unit* const unit : units_of(layer)) {
    if (unit->whole.data() == nullptr) {
      const void* const own_slot = begin_whole(*unit);
      group.start_collective(
          {Collective::all_gather, own_slot, unit->whole.data(), part_of(*unit), type_});
      gathers_ahead_ = true;
    }
  }
}

void ShardedWeights::finish_ahead(Communicator& group) {
  if (gathers_ahead_) {
    group.finish_collectives();
    gathers_ahead_ = false;
  }
}

void ShardedWeights::give_back() {
  if (!keeps_whole_) {
    drop_whole();
  }
}

void ShardedWeights::drop_whole(const std::vector<Unit*>& but) {
  for (Unit& unit : units_) {
    const bool stays = std::ranges::find(but, &unit) != but.end();
    if (shards_weights_ && !stays && unit.whole.data() != nullptr) {
      pool_.give_back(std::move(unit.whole));
    }
  }
}

void ShardedWeights::reduce(std::int64_t layer, Communicator& group) {
  for (Unit* const unit : units_of(layer)) {
    if (unit->gradient.data() == nullptr) {
      continue;  // nothing was added to it: alike on all ranks
    }
    void* const own_slot = slot(unit->gradient, *unit, DataType::fp32);
    group.reduce_scatter(unit->gradient.data(), own_slot, part_of(*unit), DataType::fp32);
    add_reduced(*unit, std::move(unit->gradient));
  }
}

void ShardedWeights::add_reduced(const Unit& unit, DeviceBuffer gradient) {
  void* const sum = part(sum_, unit);
  const std::vector<void*> operands{sum, slot(gradient, unit, DataType::fp32), sum};
  device_.run(
      {KernelOp::add, DataType::fp32, RowsShape{1, part_of(unit)}}, operands, KernelScalars{});
  device_.synchronize();
  pool_.give_back(std::move(gradient));
}

void ShardedWeights::start_reduce(std::int64_t layer, Communicator& group) {
  finish_reduce(group);
  for (Unit* const unit : units_of(layer)) {
    if (unit->gradient.data() == nullptr) {
      continue;
    }
    group.start_collective({Collective::reduce_scatter,
                            unit->gradient.data(),
                            slot(unit->gradient, *unit, DataType::fp32),
                            part_of(*unit),
                            DataType::fp32});
    reductions_.push_back({unit, std::move(unit->gradient)});
  }
}

void ShardedWeights::finish_reduce(Communicator& group) {
  if (reductions_.empty()) {
    return;
  }
  group.finish_collectives();
  for (Reduction& reduction : reductions_) {
    add_reduced(*reduction.unit, std::move(reduction.gradient));
  }
  reductions_.clear();
}

void ShardedWeights::sum_replicated(Communicator& group) {
  for (const Unit& unit : units_) {
    const Overlap held = own(unit, 0, unit.summed);
    if (held.to > held.from) {
      void* const at =
          bytes_behind(part(sum_, unit), held.from - rank_ * part_of(unit), sizeof(float));
      group.all_reduce(at, at, held.to - held.from, DataType::fp32, ReduceOp::sum);
    }
  }
}

void ShardedWeights::sum_embedding(Communicator& group) {
  const auto unit = std::ranges::find(units_, embedding_unit, &Unit::key);
  void* const at = part(sum_, *unit);
  group.all_reduce(at, at, part_of(*unit), DataType::fp32, ReduceOp::sum);
}

void ShardedWeights::update(const KernelScalars& scalars) {
  drop_whole();
  const KernelKey key{KernelOp::adamw, type_, FlatShape{own_elements_}};
  if (type_ == DataType::fp32) {
    const std::vector<void*> operands{
        sum_.data(), master_.data(), moment1_.data(), moment2_.data()};
    device_.run(key, operands, scalars);
    return;
  }
  // The narrow weights are made anew when they are gathered.
  DeviceBuffer narrow = pool_.take(static_cast<std::size_t>(own_elements_) * element_bytes(type_));
  const std::vector<void*> operands{
      sum_.data(), master_.data(), moment1_.data(), moment2_.data(), narrow.data()};
  device_.run(key, operands, scalars);
  device_.synchronize();
  pool_.give_back(std::move(narrow));
}

void ShardedWeights::share_updated(Communicator& group) {
  for (Unit& unit : units_) {
    make_whole(unit, group);
  }
}

void ShardedWeights::zero_gradients() {
  device_.set_zero(sum_.data(), sum_.bytes());
}

std::vector<float> ShardedWeights::gradients() const {
  std::vector<float> own_values(static_cast<std::size_t>(own_elements_));
  device_.copy_out(own_values.data(), sum_.data(), sum_.bytes());
  std::vector<float> values(static_cast<std::size_t>(weights_.elements), 0.0F);
  for (const Unit& unit : units_) {
    for (std::size_t i = 0; i < unit.specs.size(); ++i) {
      const WeightSpec& spec = *unit.specs[i];
      const std::int64_t at = unit.offsets[i];
      const Overlap held = own(unit, at, at + spec.rows * spec.columns);
      const auto from = own_values.begin() + unit.first + (held.from - rank_ * part_of(unit));
      std::copy(
          from, from + (held.to - held.from), values.begin() + spec.offset + (held.from - at));
    }
  }
  return values;
}

std::vector<FlatRange> ShardedWeights::held() const {
  std::vector<FlatRange> runs;
  for (const Unit& unit : units_) {
    for (std::size_t i = 0; i < unit.specs.size(); ++i) {
      const WeightSpec& spec = *unit.specs[i];
      const std::int64_t at = unit.offsets[i];
      const Overlap held = own(unit, at, at + spec.rows * spec.columns);
      if (held.to > held.from) {
        runs.push_back({spec.offset + (held.from - at), held.to - held.from});
      }
    }
  }
  return runs;
}

}  // namespace forerun
