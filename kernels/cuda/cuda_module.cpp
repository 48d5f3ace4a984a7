// The module that the program opens at run time to drive a GPU.
#include <memory>

#include "kernels/cuda/cuda_device.hpp"
#include "kernels/device.hpp"

// The caller owns the device and deletes it through its virtual destructor.
extern "C" forerun::Device* forerun_open_device(const forerun::DeviceChoice& choice) {
  return std::make_unique<forerun::cuda::CudaDevice>(choice).release();
}
