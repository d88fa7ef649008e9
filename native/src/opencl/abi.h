// The part of OpenCL 1.2's binary interface that is used here. Names, numbers and layouts: the OpenCL 1.2
// specification and the Khronos registry (cl.xml), which never change them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace subgraft::opencl::abi {

struct context;
struct device;
struct queue;
struct program;
struct kernel;
struct memory;
struct event;

using code = std::int32_t;      // cl_int as a result; 0 or an error
using boolean = std::uint32_t;  // cl_bool
using bits = std::uint64_t;     // cl_bitfield
using info = std::uint32_t;     // cl_*_info: what is asked for

constexpr code kSuccess = 0;
constexpr boolean kFalse = 0;
constexpr boolean kTrue = 1;

constexpr bits kMemReadWrite = 1U << 0;
constexpr bits kMemAllocHostPtr = 1U << 4;
constexpr bits kMapRead = 1U << 0;
constexpr bits kMapWriteInvalidateRegion = 1U << 2;  // since 1.2
constexpr bits kQueueProfilingEnable = 1U << 1;
constexpr bits kQueueProperties = 0x1093;  // the key in clCreateCommandQueueWithProperties' list, since 2.0

constexpr info kProgramDevices = 0x1163;
constexpr info kProgramBinarySizes = 0x1165;
constexpr info kProgramBinaries = 0x1166;
constexpr info kProgramBuildLog = 0x1183;
constexpr info kKernelNumArgs = 0x1191;
constexpr info kKernelWorkGroupSize = 0x11B0;
constexpr info kProfilingCommandStart = 0x1282;
constexpr info kProfilingCommandEnd = 0x1283;

// "OUT_OF_RESOURCES" for -5; "ERROR_-12345" for what no specification names.
std::string name_of(code code);

}  // namespace subgraft::opencl::abi
