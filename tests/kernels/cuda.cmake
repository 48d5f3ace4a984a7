# Tests of the CUDA kernels; those with the label gpu skip themselves where there is no GPU.
if(TARGET forerun_cuda_objects)
  forerun_add_test(cuda_device_test
    SOURCES cuda_device_test.cpp
    LINK forerun_cuda_objects forerun_kernel_check
    LABELS gpu)
  forerun_add_test(cuda_graph_test
    SOURCES cuda_graph_test.cpp
    LINK forerun_cuda_objects forerun::kernels)
endif()
# cuDNN compiles kernels where the driver's library is; the toolkit's stub stands in for it.
find_library(FORERUN_CUDA_STUB cuda HINTS ${CUDAToolkit_LIBRARY_DIR}/stubs NO_DEFAULT_PATH)
if(TARGET forerun_cuda_objects AND FORERUN_CUDA_STUB)
  set(stub_dir ${CMAKE_CURRENT_BINARY_DIR}/driver_stub)
  file(MAKE_DIRECTORY ${stub_dir})
  file(CREATE_LINK ${FORERUN_CUDA_STUB} ${stub_dir}/libcuda.so.1 SYMBOLIC)
  forerun_add_test(cudnn_plan_test
    SOURCES cudnn_plan_test.cpp
    LINK forerun_cuda_objects forerun_kernel_check
    LABELS cudnn)
  set_tests_properties(cudnn_plan_test PROPERTIES
    ENVIRONMENT_MODIFICATION LD_LIBRARY_PATH=path_list_prepend:${stub_dir})
endif()
