// Fibers: ucontext makes their stacks, and jumps change between them, because swapcontext asks the
// kernel for the signal mask each time, which takes longer than most threads run between barriers.
// They are the compiler's own: before the library's the address sanitizer asks the kernel for the
// signal stack, and before any jump in instrumented code. It is told of each change of stack.
#include "tests/fake/fiber.hpp"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
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
  if (__builtin_setjmp(caller_.data()) == 0) {
    if (is_entered_) {
      __builtin_longjmp(own_.data(), 1);
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
  if (__builtin_setjmp(own_.data()) == 0) {
    __builtin_longjmp(caller_.data(), 1);
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
