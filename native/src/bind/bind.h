// One bind function per subject; module.cpp lists them.
#pragma once

#include <pybind11/pybind11.h>

namespace subgraft {

void bind_errors(pybind11::module_& module);
void bind_model(pybind11::module_& module);
void bind_program(pybind11::module_& module);
void bind_native_call(pybind11::module_& module);
void bind_texts(pybind11::module_& module);
void bind_usb(pybind11::module_& module);
void bind_libusb(pybind11::module_& module);
void bind_usb_loopback(pybind11::module_& module);
void bind_edgetpu(pybind11::module_& module);
void bind_kernel_tables(pybind11::module_& module);
void bind_opencl(pybind11::module_& module);
void bind_instruction_sets(pybind11::module_& module);
void bind_nnapi(pybind11::module_& module);

}  // namespace subgraft
