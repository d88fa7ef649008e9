#include "bind/bind.h"

PYBIND11_MODULE(_native, module) {
  module.doc() = "The native half of subgraft: files, kernels, programs.";
  subgraft::bind_errors(module);
  subgraft::bind_model(module);
  subgraft::bind_program(module);
  subgraft::bind_native_call(module);
  subgraft::bind_texts(module);
  subgraft::bind_usb(module);
  subgraft::bind_libusb(module);
  subgraft::bind_usb_loopback(module);
  subgraft::bind_edgetpu(module);
  subgraft::bind_kernel_tables(module);
  subgraft::bind_opencl(module);
  subgraft::bind_instruction_sets(module);
  subgraft::bind_nnapi(module);
}
