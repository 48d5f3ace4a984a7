// One macro that compiles an inner loop for several vector instruction sets.
#pragma once

/// The loader picks the best variant for the CPU, so one binary runs on every x86-64. Goes on
/// functions that are pure loops over arrays; what they call must be inlined to take part.
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#define FORERUN_MULTIVERSION __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define FORERUN_MULTIVERSION
#endif

/// For the small functions inside such loops: a variant only inlines what may run on its CPU.
#define FORERUN_INLINE [[gnu::always_inline]] inline
