// Whether the program is linked with a sanitizer that brings an allocator of its own (address,
// thread), which gives memory back as it likes. Tests themselves are compiled without it.
#pragma once

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): the run-times' names.
__attribute__((weak)) void __asan_init();
__attribute__((weak)) void __tsan_init();
// NOLINTEND(bugprone-reserved-identifier)
}

namespace forerun {

inline bool has_sanitizer_allocator() {
  return &__asan_init != nullptr || &__tsan_init != nullptr;
}

}  // namespace forerun
