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
