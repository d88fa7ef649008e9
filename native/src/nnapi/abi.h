// The part of Android's Neural Networks API that is used here. Numbers, layouts and signatures: NeuralNetworks.h and
// NeuralNetworksTypes.h of the Android NDK, and NeuralNetworksSupportLibraryImpl.h of AOSP, which never change them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace subgraft::nnapi::abi {

struct Memory;
struct Model;
struct Compilation;
struct Execution;
struct Burst;
struct Event;
struct Device;

using Code = std::int32_t;  // ResultCode

constexpr Code kNoError = 0;
constexpr Code kOutputInsufficientSize = 8;
constexpr Code kUnavailableDevice = 9;
constexpr Code kMissedDeadlineTransient = 10;
constexpr Code kResourceExhaustedTransient = 12;
constexpr Code kDeadObject = 14;

// FeatureLevelCode: API levels up to Android 12, then numbers of their own.
constexpr std::int64_t kLevel1 = 27;
constexpr std::int64_t kLevel2 = 28;
constexpr std::int64_t kLevel3 = 29;
constexpr std::int64_t kLevel4 = 30;
constexpr std::int64_t kLevel5 = 31;

constexpr std::size_t kCopiedValueBytes = 128;  // constants up to this size are copied when they are set
constexpr std::size_t kTokenBytes = 32;
constexpr std::uint64_t kUnknownDuration = UINT64_MAX;

enum Duration : std::int32_t { kOnHardware = 0, kInDriver = 1 };

// ANeuralNetworksOperandType; Pointer is a machine's, or an integer of the size that another machine's has.
template <typename Pointer>
struct OperandTypeOf {
  std::int32_t type;
  std::uint32_t dimension_count;
  Pointer dimensions;
  float scale;
  std::int32_t zero_point;
};
using OperandType = OperandTypeOf<const std::uint32_t*>;

// ANeuralNetworksSymmPerChannelQuantParams.
template <typename Pointer>
struct ChannelScalesOf {
  std::uint32_t channel_dim;
  std::uint32_t scale_count;
  Pointer scales;
};
using ChannelScales = ChannelScalesOf<const float*>;

// "BAD_DATA" for 4; "ERROR_99" for what the header does not name.
std::string name_of(Code code);

}  // namespace subgraft::nnapi::abi
