// How a batch system or a user asks a running verb to end.
#pragma once

#include <atomic>
#include <csignal>
#include <thread>

namespace forerun {

/// While it lives SIGINT, SIGTERM and SIGUSR1 ask for an end instead of bringing one. They are
/// blocked in the thread that makes it and in all that this one starts later, so it has to come
/// before MPI and OpenMP, and are taken by a thread of their own: a handler would run on whatever
/// stack a kernel is using, and a warning may come before the program has got far.
///
/// The first signal asks. What comes within a second of it is the same wish once more: a shell's
/// signal to its group beside a launcher's to its child. A later one is the system's own again.
/// SIGUSR1 is a batch system's warning, which may come more than once and which mpirun hands on to
/// all ranks.
class StopSignals {
 public:
  StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  StopSignals(StopSignals&&) = delete;
  StopSignals& operator=(StopSignals&&) = delete;
  ~StopSignals();

  /// Whether an end was asked for.
  [[nodiscard]] const std::atomic<bool>& is_stopped() const { return is_stopped_; }

 private:
  void take_signals();

  sigset_t signals_{};
  sigset_t mask_before_{};
  std::atomic<bool> is_stopped_ = false;
  std::atomic<bool> is_over_ = false;
  std::thread taker_;
};

}  // namespace forerun
