# Our own CUDA kernels compiled as plain C++ and run on a CPU: needs CUDA's headers, not its compiler.
find_path(FORERUN_CUDA_HEADERS cuda_bf16.h
  HINTS ${CUDAToolkit_INCLUDE_DIRS} PATHS ENV CUDA_HOME /usr/local/cuda PATH_SUFFIXES include)
if(NOT FORERUN_CUDA_HEADERS)
  message(STATUS "forerun: no CUDA headers, the CUDA kernels' emulated tests are left out")
  return()
endif()

set(cuda_dir ${PROJECT_SOURCE_DIR}/kernels/cuda)
set(kernel_sources activation.cu adamw.cu attention.cu cast.cu conv1d.cu copy.cu cross_entropy.cu decode.cu
  dropout.cu
  dequantize.cu elementwise.cu embedding.cu gradient_arrays.cu grouped_gemm.cu norm.cu permute.cu qk_norm.cu rope.cu router.cu
  scan_backward.cu scan_forward.cu stored_softmax.cu)
list(TRANSFORM kernel_sources PREPEND ${cuda_dir}/)
# Sizes are ints and unsigneds of CUDA's own; nvcc has the say on the rest of these files' warnings.
set_source_files_properties(${kernel_sources} PROPERTIES LANGUAGE CXX
  COMPILE_OPTIONS "-include;${PROJECT_SOURCE_DIR}/tests/fake/cuda_emulator.hpp;-Wno-unknown-pragmas;-Wno-conversion;-Wno-sign-conversion;-Wno-maybe-uninitialized")

add_library(forerun_emulated_kernels STATIC
  ${kernel_sources}
  ${cuda_dir}/check.cpp ${cuda_dir}/operand_copies.cpp ${cuda_dir}/own_kernels.cpp ${cuda_dir}/product_plan.cpp
  ${cuda_dir}/scratch.cpp
  ${cuda_dir}/start_experts.cpp ${cuda_dir}/start_heads.cpp ${cuda_dir}/start_rows.cpp
  ${cuda_dir}/start_scans.cpp ${cuda_dir}/start_tables.cpp
  ${PROJECT_SOURCE_DIR}/tests/fake/cuda_emulator.cpp ${PROJECT_SOURCE_DIR}/tests/fake/emulated_device.cpp
  ${PROJECT_SOURCE_DIR}/tests/fake/fiber.cpp)
target_include_directories(forerun_emulated_kernels SYSTEM PUBLIC ${FORERUN_CUDA_HEADERS})
target_link_libraries(forerun_emulated_kernels PUBLIC forerun::kernels forerun::units PRIVATE fmt::fmt)

forerun_add_test(emulated_kernels_test
  SOURCES copy_test.cpp emulated_kernels_test.cpp operand_copies_test.cpp product_plan_test.cpp
  LINK forerun_emulated_kernels forerun_kernel_check)

# A library that stands in for NVIDIA's, opened by name; the code that opens it needs no CUDA.
add_library(fake_management_library MODULE ${PROJECT_SOURCE_DIR}/tests/fake/management_library.cpp)
forerun_add_test(management_library_test
  SOURCES management_library_test.cpp ${cuda_dir}/management_library.cpp
  LINK forerun::units ${CMAKE_DL_LIBS})
add_dependencies(management_library_test fake_management_library)
target_compile_definitions(management_library_test PRIVATE
  FORERUN_FAKE_MANAGEMENT_LIBRARY="$<TARGET_FILE:fake_management_library>")
