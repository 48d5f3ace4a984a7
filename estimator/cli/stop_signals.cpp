#include "estimator/cli/stop_signals.hpp"

#include <chrono>
#include <exception>
#include <optional>
#include <system_error>

#include <pthread.h>

namespace forerun {
namespace {

void check(int error, const char* what) {
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), what);
  }
}

// What the system does with it.
[[noreturn]] void end_by(int signal, const sigset_t& signals) {
  std::signal(signal, SIG_DFL);  // NOLINT(cert-err33-c): nothing can be done about a failure here
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  std::raise(signal);  // NOLINT(cert-err33-c)
  std::terminate();    // raise() does not come back from what it has just been allowed to do
}

}  // namespace

StopSignals::StopSignals() {
  sigemptyset(&signals_);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) {
    sigaddset(&signals_, signal);
    std::signal(signal, SIG_DFL);  // NOLINT(cert-err33-c): a shell's background jobs ignore SIGINT
  }
  check(pthread_sigmask(SIG_BLOCK, &signals_, &mask_before_), "pthread_sigmask");
  taker_ = std::thread([this] { take_signals(); });
}

StopSignals::~StopSignals() {
  is_over_ = true;
  pthread_kill(taker_.native_handle(), SIGUSR1);
  taker_.join();
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void StopSignals::take_signals() {
  using Clock = std::chrono::steady_clock;
  std::optional<Clock::time_point> first;
  while (true) {
    int signal = 0;
    if (sigwait(&signals_, &signal) != 0 || is_over_) {
      return;
    }
    is_stopped_ = true;
    if (signal == SIGUSR1) {
      continue;
    }
    const Clock::time_point now = Clock::now();
    if (first && now - *first > std::chrono::seconds(1)) {
      end_by(signal, signals_);
    }
    first = first.value_or(now);
  }
}

}  // namespace forerun
