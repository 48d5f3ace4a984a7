// Data-parallel collectives bucket by bucket, while the passes that need or make them go on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "estimator/rehearse/execution.hpp"
#include "estimator/step/gradient_buckets.hpp"
#include "estimator/step/work_list.hpp"

namespace forerun {

/// The buckets of a stage's flat buffers: of the dense weights, and of the experts'.
struct FlatBuckets {
  std::vector<FlatRange> dense;
  std::vector<FlatRange> experts;
};

/// As many as the estimate counts with `parameters_each` = 0, else of about so many parameters.
[[nodiscard]] FlatBuckets buckets_of(const StageWork& work,
                                     const Job& job,
                                     std::int64_t parameters_each);

/// Runs the reductions and gathers of flat buffers that a stage's tail lists. A bucket's gradients
/// start to be added up when the last pass that touches them has; updated weights are gathered in
/// the next step, each bucket while what the one before holds computes. What a bucket holds that
/// the tail still changes before its reduction is reduced where the tail says.
class BucketExchange {
 public:
  using Items = std::vector<WorkItem>;

  /// `forward` and `backward`: the lists that passes run, alive as long as this.
  BucketExchange(const Execution& at,
                 const StageWork& work,
                 const FlatBuckets& buckets,
                 const std::vector<const Items*>& forward,
                 const std::vector<const Items*>& backward);

  /// `runs`: the lists of the step's backward passes, as often as they run.
  void begin_step(const std::vector<const Items*>& runs);
  /// Collective over the group that shares the weights, when the item is the first to read some.
  void before(const Items& items, std::size_t index);
  /// Collective over the group that adds gradients up, when the item is the last to touch some.
  void after(const Items& items, std::size_t index);

  /// Whether the collective of the tail is one of these; it then ends here (a reduction) or is put
  /// off to the next step (a gather).
  [[nodiscard]] bool takes(const CollectiveWork& collective);
  /// Gathers what was put off.
  void settle();

 private:
  struct Bucket {
    FlatRange range;
    std::int64_t pending = 0;  ///< lists that are still to touch its gradients
    bool is_late = false;      ///< the tail changes it before it is reduced
    bool is_reduced = false;   ///< or under way
    bool is_stale = false;     ///< its weights are those of before the update
  };

  /// One flat buffer, its buckets in the order in which gradients are complete.
  struct Flat {
    CollectiveWork reduction;
    std::optional<CollectiveWork> gather;
    std::vector<Bucket> buckets;
    Bucket* arriving = nullptr;  ///< its weights are under way
  };

  struct Place {
    std::size_t flat = 0;
    std::size_t bucket = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };

  /// By index in a list.
  using Touches = std::map<std::size_t, std::vector<Place>>;

  void add_flat(const StageWork& work, TensorName gradient, const std::vector<FlatRange>& ranges);
  void mark_late(const StageWork& work);
  void mark_late(const FlatRange& range);
  [[nodiscard]] std::vector<Place> places_of(const FlatRange& range) const;
  [[nodiscard]] std::vector<Place> places_of(const WorkItem& item, bool gradients) const;
  [[nodiscard]] Touches last_writes(const Items& items) const;
  [[nodiscard]] Touches first_reads(const Items& items) const;
  /// What the item at `index` touches; nothing for items that are not known.
  [[nodiscard]] static std::span<const Place> places_at(
      const std::map<const Items*, Touches>& touches, const Items& items, std::size_t index);
  void start_reduction(Flat& flat, Bucket& bucket);
  void start(const CollectiveWork& collective, const Flat& flat, const FlatRange& range) const;
  void reduce_rest(Flat& flat);
  void need(Flat& flat, Bucket& bucket);
  void finish(const CollectiveWork& collective);

  Execution at_;
  std::vector<Flat> flats_;
  std::map<const Items*, Touches> reads_;
  std::map<const Items*, Touches> writes_;
};

}  // namespace forerun
