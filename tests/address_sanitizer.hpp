// Whether the program is linked with AddressSanitizer, whose allocator gives memory back as it
// likes. Tests themselves are compiled without it.
#pragma once

extern "C" {
// NOLINTNEXTLINE(bugprone-reserved-identifier): the run-time's name.
__attribute__((weak)) void __asan_init();
}

namespace forerun {

inline bool has_address_sanitizer() {
  return &__asan_init != nullptr;
}

}  // namespace forerun
