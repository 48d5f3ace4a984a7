#include "estimator/rehearse/bucket_exchange.hpp"

#include <algorithm>
#include <set>

#include "estimator/step/pipeline_schedule.hpp"
#include "kernels/operands.hpp"

namespace forerun {
namespace {

constexpr std::int64_t alignment = 16;  // elements, as in the flat buffers

bool overlap(const FlatRange& a, const FlatRange& b) {
  return a.first < b.first + b.elements && b.first < a.first + a.elements;
}

const CollectiveWork* tail_collective(const StageWork& work, TensorName to, bool gathers) {
  for (const WorkItem& item : work.tail) {
    const auto* const collective = std::get_if<CollectiveWork>(&item.work);
    if (collective != nullptr && collective->to.name == to && !collective->to.gradient &&
        (collective->key.op == Collective::all_gather) == gathers) {
      return collective;
    }
  }
  return nullptr;
}

TensorName weight_of(TensorName gradient) {
  return gradient == TensorName::flat_gradient ? TensorName::flat_weight
                                               : TensorName::expert_flat_weight;
}

}  // namespace

FlatBuckets buckets_of(const StageWork& work, const Job& job, std::int64_t parameters_each) {
  const auto cut = [&](const FlatRange& whole, std::int64_t parameters, std::int64_t ranks) {
    const auto all = static_cast<double>(parameters);
    const double count =
        parameters_each > 0 ? all / static_cast<double>(parameters_each) : bucket_count(all, ranks);
    return whole.elements == 0
               ? std::vector<FlatRange>()
               : flat_buckets(whole, static_cast<std::int64_t>(count), alignment * ranks);
  };
  const StageWeights& weights = work.weights;
  return {cut({0, weights.elements}, weights.parameters, job.layout.data * job.layout.context),
          cut({weights.elements, weights.expert_elements},
              weights.expert_parameters,
              expert_replicas(job.layout))};
}

BucketExchange::BucketExchange(const Execution& at,
                               const StageWork& work,
                               const FlatBuckets& buckets,
                               const std::vector<const Items*>& forward,
                               const std::vector<const Items*>& backward)
    : at_(at) {
  add_flat(work, TensorName::flat_gradient, buckets.dense);
  add_flat(work, TensorName::expert_flat_gradient, buckets.experts);
  mark_late(work);
  for (const Items* const items : forward) {
    reads_[items] = first_reads(*items);
  }
  for (const Items* const items : backward) {
    writes_[items] = last_writes(*items);
  }
}

void BucketExchange::add_flat(const StageWork& work,
                              TensorName gradient,
                              const std::vector<FlatRange>& ranges) {
  const CollectiveWork* const reduction = tail_collective(work, gradient, false);
  if (reduction == nullptr) {
    return;
  }
  Flat& flat = flats_.emplace_back();
  flat.reduction = *reduction;
  if (const auto* const gather = tail_collective(work, weight_of(gradient), true)) {
    flat.gather = *gather;
  }
  for (const FlatRange& range : ranges) {
    flat.buckets.push_back({range});
  }
}

void BucketExchange::mark_late(const StageWork& work) {
  mark_late({0, work.weights.tensor_summed_elements});
  for (const SharedRows& rows : work.weights.shared_rows) {
    mark_late({rows.offset, rows.elements});
  }
  for (const WorkItem& item : work.tail) {
    const auto* const collective = std::get_if<CollectiveWork>(&item.work);
    if (collective == nullptr || collective->group != GroupKind::embedding) {
      continue;
    }
    for (const WeightSpec& spec : work.weights.specs) {
      if (spec.id.name == collective->to.name) {
        mark_late({spec.offset, spec.rows * spec.columns});
      }
    }
  }
}

void BucketExchange::mark_late(const FlatRange& range) {
  for (const Place& place : places_of(range)) {
    flats_[place.flat].buckets[place.bucket].is_late = true;
  }
}

std::vector<BucketExchange::Place> BucketExchange::places_of(const FlatRange& range) const {
  std::vector<Place> places;
  for (std::size_t i = 0; i < flats_.size(); ++i) {
    for (std::size_t j = 0; j < flats_[i].buckets.size(); ++j) {
      if (overlap(flats_[i].buckets[j].range, range)) {
        places.push_back({i, j});
      }
    }
  }
  return places;
}

std::vector<BucketExchange::Place> BucketExchange::places_of(const WorkItem& item,
                                                             bool gradients) const {
  std::vector<Place> places;
  const auto* const kernel = std::get_if<KernelWork>(&item.work);
  if (kernel == nullptr) {
    return places;
  }
  for (TensorId id : kernel->operands) {
    if (!is_weight(id) || id.gradient != gradients) {
      continue;
    }
    id.gradient = false;
    for (const WeightSpec& spec : at_.store.weights().specs) {
      if (spec.id == id && !spec.is_frozen) {
        const auto held = places_of({spec.offset, spec.rows * spec.columns});
        places.insert(places.end(), held.begin(), held.end());
      }
    }
  }
  return places;
}

BucketExchange::Touches BucketExchange::last_writes(const Items& items) const {
  Touches touches;
  std::set<Place> seen;
  for (std::size_t i = items.size(); i-- > 0;) {
    for (const Place& place : places_of(items[i], true)) {
      if (seen.insert(place).second) {
        touches[i].push_back(place);
      }
    }
  }
  return touches;
}

BucketExchange::Touches BucketExchange::first_reads(const Items& items) const {
  Touches touches;
  std::set<Place> seen;
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (const Place& place : places_of(items[i], false)) {
      if (flats_[place.flat].gather && seen.insert(place).second) {
        touches[i].push_back(place);
      }
    }
  }
  return touches;
}

void BucketExchange::begin_step(const std::vector<const Items*>& runs) {
  for (Flat& flat : flats_) {
    for (Bucket& bucket : flat.buckets) {
      bucket.pending = 0;
      bucket.is_reduced = false;
    }
  }
  for (const Items* const items : runs) {
    for (const auto& [index, places] : writes_.at(items)) {
      for (const Place& place : places) {
        ++flats_[place.flat].buckets[place.bucket].pending;
      }
    }
  }
}

std::span<const BucketExchange::Place> BucketExchange::places_at(
    const std::map<const Items*, Touches>& touches, const Items& items, std::size_t index) {
  const auto list = touches.find(&items);
  if (list == touches.end()) {
    return {};
  }
  const auto found = list->second.find(index);
  return found == list->second.end() ? std::span<const Place>() : found->second;
}

void BucketExchange::before(const Items& items, std::size_t index) {
  for (const Place& place : places_at(reads_, items, index)) {
    Flat& flat = flats_[place.flat];
    need(flat, flat.buckets[place.bucket]);
  }
}

void BucketExchange::after(const Items& items, std::size_t index) {
  for (const Place& place : places_at(writes_, items, index)) {
    Flat& flat = flats_[place.flat];
    Bucket& bucket = flat.buckets[place.bucket];
    if (--bucket.pending == 0 && !bucket.is_late) {
      start_reduction(flat, bucket);
    }
  }
}

void BucketExchange::start_reduction(Flat& flat, Bucket& bucket) {
  start(flat.reduction, flat, bucket.range);
  bucket.is_reduced = true;
}

// In place.
void BucketExchange::start(const CollectiveWork& collective,
                           const Flat& flat,
                           const FlatRange& range) const {
  const CollectiveKey& key = collective.key;
  Communicator& group = at_.groups.of(collective.group);
  const auto bytes_of = [&](std::int64_t elements) {
    return static_cast<std::size_t>(elements) * element_bytes(key.type);
  };
  const std::int64_t begin = flat.buckets.back().range.first;
  char* const whole =
      static_cast<char*>(at_.store.at({collective.to.name}, 0, 0)) + bytes_of(range.first - begin);
  const bool is_split = key.op != Collective::all_reduce;
  const std::int64_t count = range.elements / (is_split ? group.size() : 1);
  char* const own = whole + bytes_of(is_split ? group.rank() * count : 0);
  const bool gathers = key.op == Collective::all_gather;
  group.start_collective({key.op, gathers ? own : whole, gathers ? whole : own, count, key.type});
}

void BucketExchange::finish(const CollectiveWork& collective) {
  at_.groups.of(collective.group).finish_collectives();
}

// The weights of this bucket are read now: those of the next one set out.
void BucketExchange::need(Flat& flat, Bucket& bucket) {
  while (bucket.is_stale) {
    if (flat.arriving == nullptr) {
      start(*flat.gather, flat, bucket.range);
      flat.arriving = &bucket;
    }
    finish(*flat.gather);
    flat.arriving->is_stale = false;
    flat.arriving = nullptr;
    const auto next = std::find_if(flat.buckets.rbegin(),
                                   flat.buckets.rend(),
                                   [](const Bucket& candidate) { return candidate.is_stale; });
    if (next != flat.buckets.rend()) {
      start(*flat.gather, flat, next->range);
      flat.arriving = &*next;
    }
  }
}

bool BucketExchange::takes(const CollectiveWork& collective) {
  for (Flat& flat : flats_) {
    if (collective.to == flat.reduction.to && collective.group == flat.reduction.group) {
      reduce_rest(flat);
      return true;
    }
    if (flat.gather && collective.to == flat.gather->to) {
      for (Bucket& bucket : flat.buckets) {
        bucket.is_stale = true;
      }
      return true;
    }
  }
  return false;
}

void BucketExchange::reduce_rest(Flat& flat) {
  settle();  // what no pass has read: the update is about to write
  for (Bucket& bucket : flat.buckets) {
    if (!bucket.is_reduced) {
      start_reduction(flat, bucket);
    }
  }
  finish(flat.reduction);
}

void BucketExchange::settle() {
  for (Flat& flat : flats_) {
    for (auto bucket = flat.buckets.rbegin(); bucket != flat.buckets.rend(); ++bucket) {
      need(flat, *bucket);
    }
  }
}

}  // namespace forerun
