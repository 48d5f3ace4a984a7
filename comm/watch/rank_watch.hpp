// Notices ranks that died, stopped, or cannot be reached, while the others wait in a collective.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "comm/communicator.hpp"
#include "units/quantity.hpp"

namespace forerun {

/// A rank that waits for a dead one inside MPI waits for ever. So every rank has a thread that
/// sends a few bytes over TCP to rank 0 twice a second, and hears as often from it. Rank 0 fails
/// the run with the rank's name and host when a connection closes before its time (at once) or is
/// silent for `limit` (the rank is stopped, or the network to it stalled); the others do when rank
/// 0 is. When all are heard but no operation has ended anywhere for `limit`, and every rank is
/// inside a collective, rank 0 names those that are furthest behind. A kernel may take as long as
/// it likes.
class RankWatch {
 public:
  /// Called once, from the watching thread, with what happened; must not return to normal work.
  using OnFailure = std::function<void(const std::string& what)>;

  /// Collective over `world`. `host` is this rank's node. A rank that cannot connect to rank 0 is
  /// not watched (`unwatched` says so).
  RankWatch(Communicator& world, const std::string& host, Seconds limit, OnFailure on_failure);
  RankWatch(const RankWatch&) = delete;
  RankWatch& operator=(const RankWatch&) = delete;
  RankWatch(RankWatch&&) = delete;
  RankWatch& operator=(RankWatch&&) = delete;
  /// Says goodbye; not collective.
  ~RankWatch();

  /// From here to `end` this rank is inside collectives called `what`.
  void begin(std::string_view what);
  void end();
  /// An operation ended. Costs one atomic addition.
  void tick();

  /// Ranks without a connection, in words; empty when all have one.
  [[nodiscard]] const std::string& unwatched() const { return unwatched_; }

 private:
  class Line;
  struct Shared;
  class Root;
  class Member;

  std::unique_ptr<Shared> shared_;
  std::unique_ptr<Root> root_;
  std::unique_ptr<Member> member_;
  std::string unwatched_;
};

/// `begin` to `end` of a scope; nothing without a watch.
class Watched {
 public:
  Watched(RankWatch* watch, std::string_view what) : watch_(watch) {
    if (watch_ != nullptr) {
      watch_->begin(what);
    }
  }

  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  Watched(Watched&&) = delete;
  Watched& operator=(Watched&&) = delete;

  ~Watched() {
    if (watch_ != nullptr) {
      watch_->end();
    }
  }

 private:
  RankWatch* watch_;
};

}  // namespace forerun
