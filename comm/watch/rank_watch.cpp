#include "comm/watch/rank_watch.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <sstream>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "comm/watch/tcp_line.hpp"
#include "units/unit.hpp"

namespace forerun {

// What a rank says of itself: "7 1 all_reduce bf16 ...": operations, whether inside a collective.
struct RankState {
  std::uint64_t steps = 0;
  bool is_communicating = false;
  std::string what;
};

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds beat{500};
constexpr double longest_beat_s = 1.5;  ///< a rank that is silent for longer may be stopped
constexpr const char* farewell = "bye";

double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

RankState state_from(const std::string& line) {
  std::istringstream text(line);
  RankState state;
  text >> state.steps >> state.is_communicating;
  std::getline(text >> std::ws, state.what);
  return state;
}

std::string text_of(const RankState& state) {
  return fmt::format("{} {} {}", state.steps, state.is_communicating ? 1 : 0, state.what);
}

}  // namespace

struct RankWatch::Shared {
  Shared(Seconds patience, OnFailure action)
      : limit_s(patience.in(unit::second)), on_failure(std::move(action)) {}

  [[nodiscard]] RankState own_state() {
    const std::lock_guard lock(mutex);
    return {steps.load(std::memory_order_relaxed), is_communicating, what};
  }

  // Until the next beat; false once it is over.
  [[nodiscard]] bool pause() {
    std::unique_lock lock(mutex);
    return !over.wait_for(lock, beat, [this] { return is_over; });
  }

  void finish() {
    {
      const std::lock_guard lock(mutex);
      is_over = true;
    }
    over.notify_all();
  }

  double limit_s;
  OnFailure on_failure;
  std::atomic<std::uint64_t> steps = 0;
  std::condition_variable over;
  std::mutex mutex;  ///< of what follows
  bool is_over = false;
  bool is_communicating = false;
  std::string what;
};

/// One other rank, as rank 0 knows it.
class RankWatch::Line {
 public:
  Line(int rank, std::string host, LineStream stream)
      : rank_(rank), host_(std::move(host)), stream_(std::move(stream)) {}

  void read() {
    for (const std::string& line : stream_.lines()) {
      heard_ = Clock::now();
      if (line == farewell) {
        has_left_ = true;
      } else {
        state_ = state_from(line);
      }
    }
  }

  void send(const std::string& line) { stream_.send(line); }

  [[nodiscard]] bool is_lost() const { return stream_.is_closed() && !has_left_; }

  [[nodiscard]] double silence_s() const { return has_left_ ? 0.0 : seconds_since(heard_); }

  [[nodiscard]] bool has_left() const { return has_left_; }

  [[nodiscard]] const RankState& state() const { return state_; }

  [[nodiscard]] std::string name() const { return fmt::format("rank {} on {}", rank_, host_); }

 private:
  int rank_;
  std::string host_;
  LineStream stream_;
  RankState state_;
  Clock::time_point heard_ = Clock::now();
  bool has_left_ = false;
};

namespace {

// Why the run cannot go on, judged by one connection; empty when it can.
template <typename Peer>
std::string complaint_about(const Peer& peer, double limit_s) {
  const std::string doing =
      peer.state().is_communicating ? "; it was in " + peer.state().what : std::string();
  if (peer.is_lost()) {
    return fmt::format("{} died{}", peer.name(), doing);
  }
  if (peer.silence_s() > limit_s) {
    return fmt::format(
        "{} has not been heard for {:.0f} s: it is stopped, or the network to it "
        "stalled{}",
        peer.name(),
        peer.silence_s(),
        doing);
  }
  return {};
}

}  // namespace

class RankWatch::Root {
 public:
  Root(Shared& shared, std::string host, std::vector<Line> lines)
      : shared_(shared), host_(std::move(host)), lines_(std::move(lines)) {
    thread_ = std::thread([this] { watch(); });
  }

  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;
  Root(Root&&) = delete;
  Root& operator=(Root&&) = delete;

  ~Root() {
    shared_.finish();
    thread_.join();
    for (Line& line : lines_) {
      line.send(farewell);
    }
  }

 private:
  void watch() {
    do {
      const RankState own = shared_.own_state();
      for (Line& line : lines_) {
        line.read();
        line.send(text_of(own));
      }
      if (const std::string complaint = complaint_of(own); !complaint.empty()) {
        // Those that are still there need not call this rank dead when it goes.
        for (Line& line : lines_) {
          line.send(farewell);
        }
        shared_.on_failure(complaint);
        return;
      }
    } while (shared_.pause());
  }

  std::string complaint_of(const RankState& own) {
    for (const Line& line : lines_) {
      if (std::string complaint = complaint_about(line, shared_.limit_s); !complaint.empty()) {
        return complaint;
      }
    }
    return standstill(own);
  }

  // Every rank is heard and inside a collective, but nothing has ended for too long.
  std::string standstill(const RankState& own) {
    std::uint64_t total = own.steps;
    std::uint64_t least = own.steps;
    bool all_communicate = own.is_communicating;
    bool all_are_heard = true;
    for (const Line& line : lines_) {
      total += line.state().steps;
      least = std::min(least, line.state().steps);
      all_communicate = all_communicate && (line.state().is_communicating || line.has_left());
      all_are_heard = all_are_heard && line.silence_s() <= longest_beat_s;
    }
    if (total != total_ || !all_communicate) {
      total_ = total;
      moved_ = Clock::now();
    }
    // The others wait for one that is silent: its own silence will name it.
    if (!all_are_heard || seconds_since(moved_) <= shared_.limit_s) {
      return {};
    }
    std::vector<std::string> behind;
    if (own.steps == least) {
      behind.push_back("rank 0 on " + host_);
    }
    for (const Line& line : lines_) {
      if (line.state().steps == least && !line.has_left()) {
        behind.push_back(line.name());
      }
    }
    return fmt::format("nothing has ended for {:.0f} s in {}; furthest behind: {}",
                       seconds_since(moved_),
                       own.what,
                       fmt::join(behind, ", "));
  }

  Shared& shared_;
  std::string host_;
  std::vector<Line> lines_;
  std::uint64_t total_ = 0;
  Clock::time_point moved_ = Clock::now();
  std::thread thread_;
};

class RankWatch::Member {
 public:
  Member(Shared& shared, Line root) : shared_(shared), root_(std::move(root)) {
    thread_ = std::thread([this] { watch(); });
  }

  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  Member(Member&&) = delete;
  Member& operator=(Member&&) = delete;

  ~Member() {
    shared_.finish();
    thread_.join();
    root_.send(farewell);
  }

 private:
  void watch() {
    do {
      root_.read();
      root_.send(text_of(shared_.own_state()));
      if (const std::string complaint = complaint_about(root_, shared_.limit_s);
          !complaint.empty()) {
        root_.send(farewell);
        shared_.on_failure(complaint);
        return;
      }
    } while (shared_.pause() && !root_.has_left());
  }

  Shared& shared_;
  Line root_;
  std::thread thread_;
};

namespace {

// What rank 0 tells the others: a word that proves who it is, its host, port and addresses.
std::string invitation(const Listener& listener, const std::string& host) {
  return fmt::format("{:08x} {} {} {}",
                     std::random_device{}(),
                     host,
                     listener.port,
                     fmt::join(own_addresses(), " "));
}

struct Invitation {
  std::string token;
  std::string host;
  std::uint16_t port = 0;
  std::vector<std::string> addresses;
};

Invitation invitation_from(const std::string& text) {
  std::istringstream words(text);
  Invitation invited;
  words >> invited.token >> invited.host >> invited.port;
  for (std::string address; words >> address;) {
    invited.addresses.push_back(address);
  }
  return invited;
}

// On one's own node loopback works whatever the interfaces are; elsewhere it leads astray.
std::optional<LineStream> join(Invitation invited, const std::string& host, int rank) {
  std::erase_if(invited.addresses, [&](const std::string& address) {
    return address.starts_with("127.") && host != invited.host;
  });
  std::ranges::reverse(invited.addresses);
  for (const std::string& address : invited.addresses) {
    if (auto socket = connect_to(address, invited.port)) {
      LineStream stream(std::move(*socket));
      stream.send(fmt::format("{} {}", invited.token, rank));
      return stream;
    }
  }
  return std::nullopt;
}

// The connections of the ranks that say they have one, in the order in which they call.
std::vector<std::pair<int, LineStream>> gather(const Listener& listener,
                                               const std::string& token,
                                               std::size_t expected) {
  constexpr double patience_s = 10.0;
  const auto start = Clock::now();
  std::vector<LineStream> strangers;
  std::vector<std::pair<int, LineStream>> known;
  while (known.size() < expected && seconds_since(start) < patience_s) {
    while (auto socket = accepted_by(listener.socket)) {
      strangers.emplace_back(std::move(*socket));
    }
    for (auto stranger = strangers.begin(); stranger != strangers.end();) {
      const auto lines = stranger->lines();
      if (lines.empty()) {
        ++stranger;
        continue;
      }
      if (lines.front().starts_with(token + " ")) {
        known.emplace_back(std::stoi(lines.front().substr(token.size() + 1)), std::move(*stranger));
      }
      stranger = strangers.erase(stranger);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return known;
}

}  // namespace

RankWatch::RankWatch(Communicator& world,
                     const std::string& host,
                     Seconds limit,
                     OnFailure on_failure)
    : shared_(std::make_unique<Shared>(limit, std::move(on_failure))) {
  std::optional<Listener> listener;
  std::string offer;
  if (world.rank() == 0) {
    listener = listen_anywhere();
    offer = invitation(*listener, host);
  }
  const Invitation invited = invitation_from(world.all_gather_text(offer).front());
  std::optional<LineStream> stream;
  if (world.rank() != 0) {
    stream = join(invited, host, world.rank());
  }
  const bool has_line = world.rank() == 0 || stream.has_value();
  const auto hosts = world.all_gather_text(host);
  const auto answers = world.all_gather_text(has_line ? "yes" : "no");
  for (std::size_t rank = 0; rank < answers.size(); ++rank) {
    if (answers[rank] == "no") {
      unwatched_ +=
          fmt::format("{}rank {} on {}", unwatched_.empty() ? "" : ", ", rank, hosts[rank]);
    }
  }
  if (stream) {
    member_ = std::make_unique<Member>(*shared_, Line(0, hosts.front(), std::move(*stream)));
  } else if (listener) {
    const auto expected = static_cast<std::size_t>(std::ranges::count(answers, "yes")) - 1;
    std::vector<Line> lines;
    for (auto& [rank, line] : gather(*listener, invited.token, expected)) {
      lines.emplace_back(rank, hosts[static_cast<std::size_t>(rank)], std::move(line));
    }
    root_ = std::make_unique<Root>(*shared_, host, std::move(lines));
  }
}

RankWatch::~RankWatch() = default;

void RankWatch::begin(std::string_view what) {
  const std::lock_guard lock(shared_->mutex);
  shared_->is_communicating = true;
  shared_->what = what;
}

void RankWatch::end() {
  tick();
  const std::lock_guard lock(shared_->mutex);
  shared_->is_communicating = false;
}

void RankWatch::tick() {
  shared_->steps.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace forerun
