// One product of the matrix cores by a warp.
#pragma once

#ifndef FORERUN_CUDA_EMULATED

namespace forerun::cuda {

/// c += a b, c 16 x 8 in fp32, a 16 x 16 by rows and b 16 x 8 by columns in bf16, two in each
/// register; which lane holds which elements: PTX ISA, "mma.m16n8k16 with floating point type".
__device__ inline void multiply_add(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

}  // namespace forerun::cuda

#endif
