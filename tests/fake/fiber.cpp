// Fibers: ucontext makes their stacks, and jumps change between them, because swapcontext asks the
// kernel for the signal mask each time, which takes longer than most threads run between barriers.
// Before a jump of the library's, and before any in instrumented code, the address sanitizer asks
// the kernel for the signal stack: under it they are the compiler's own, which need a frame
// pointer. It is told of each change of stack.
#include "tests/fake/fiber.hpp"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#define FORERUN_REMEMBER(place) __builtin_setjmp((place).data())
#define FORERUN_GO_TO(place) __builtin_longjmp((place).data(), 1)
#else
#define FORERUN_REMEMBER(place) _setjmp(place)
#define FORERUN_GO_TO(place) _longjmp(place, 1)
#endif

namespace forerun {
namespace {

constexpr std::size_t stack_bytes = std::size_t{256} * 1024;

void before_switch([[maybe_unused]] void** fake_stack,
                   [[maybe_unused]] const void* stack,
                   [[maybe_unused]] std::size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(fake_stack, stack, bytes);
#endif
}

void after_switch([[maybe_unused]] void* fake_stack,
                  [[maybe_unused]] const void** from,
                  [[maybe_unused]] std::size_t* bytes) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake_stack, from, bytes);
#endif
}

}  // namespace

Fiber*& Fiber::entered() {
  static Fiber* the_fiber = nullptr;
  return the_fiber;
}

void Fiber::start(const std::function<void()>& work) {
  if (!stack_) {
    // Not a vector: most of a stack is never touched and need not be set.
    stack_ = std::make_unique_for_overwrite<std::byte[]>(stack_bytes);  // NOLINT(*-avoid-c-arrays)
  }
  work_ = &work;
  own_fake_ = nullptr;
  is_entered_ = false;
  getcontext(&first_);
  first_.uc_stack.ss_sp = stack_.get();
  first_.uc_stack.ss_size = stack_bytes;
  first_.uc_link = nullptr;
  makecontext(&first_, &Fiber::enter, 0);
}

[[gnu::no_sanitize("address")]] void Fiber::resume() {
  before_switch(&caller_fake_, stack_.get(), stack_bytes);
  if (FORERUN_REMEMBER(caller_) == 0) {
    if (is_entered_) {
      FORERUN_GO_TO(own_);
    }
    is_entered_ = true;
    entered() = this;
    setcontext(&first_);
  }
  after_switch(caller_fake_, nullptr, nullptr);
}

void Fiber::pause() {
  leave(false);
  after_switch(own_fake_, &caller_stack_, &caller_bytes_);
}

[[gnu::no_sanitize("address")]] void Fiber::leave(bool for_ever) {
  before_switch(for_ever ? nullptr : &own_fake_, caller_stack_, caller_bytes_);
  if (FORERUN_REMEMBER(own_) == 0) {
    FORERUN_GO_TO(caller_);
  }
}

void Fiber::enter() {
  Fiber& self = *entered();
  after_switch(nullptr, &self.caller_stack_, &self.caller_bytes_);
  (*self.work_)();
  self.work_ = nullptr;
  self.leave(true);
}

}  // namespace forerun
