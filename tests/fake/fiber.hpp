// A function that can stop in its middle and go on later, on a stack of its own.
#pragma once

#include <array>
#include <csetjmp>
#include <cstddef>
#include <functional>
#include <memory>

#include <ucontext.h>

namespace forerun {

/// Not movable: its context holds addresses within it. One thread only.
class Fiber {
 public:
  Fiber() = default;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  Fiber(Fiber&&) = delete;
  Fiber& operator=(Fiber&&) = delete;
  ~Fiber() = default;

  /// Prepares a run of `work`, which must outlive it and must not throw.
  void start(const std::function<void()>& work);

  /// Runs until `pause` or the end. Not called within a fiber.
  void resume();

  /// Called by the running fiber: back to where `resume` was called.
  void pause();

  [[nodiscard]] bool is_done() const { return work_ == nullptr; }

 private:
#ifdef __SANITIZE_ADDRESS__
  using Place = std::array<void*, 5>;  ///< what the compiler's own jumps need
#else
  using Place = std::jmp_buf;
#endif

  static void enter();
  /// The fiber that a new context belongs to: makecontext passes no pointers.
  static Fiber*& entered();
  void leave(bool for_ever);

  ucontext_t first_{};  ///< enters the stack
  Place own_{};
  Place caller_{};
  bool is_entered_ = false;
  std::unique_ptr<std::byte[]> stack_;  // NOLINT(*-avoid-c-arrays)
  const std::function<void()>* work_ = nullptr;
  // For the address sanitizer: the stack that `resume` was called on, and both fake stacks.
  const void* caller_stack_ = nullptr;
  std::size_t caller_bytes_ = 0;
  void* own_fake_ = nullptr;
  void* caller_fake_ = nullptr;
};

}  // namespace forerun
