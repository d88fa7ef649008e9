"""What a device can do, as one frozen record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

KINDS = ("gpu", "accelerator", "cpu", "other")  # the order in which devices are offered

# The inner loops of integer convolutions, the fastest first where a device has it; all give the same bits.
LOOPS = ("mma", "dot_ptx", "dot_khr", "dot_arm", "f32", "int")

# A vendor by what its drivers call themselves: platform first, since PoCL and Oclgrind name the CPU's maker as vendor.
PLATFORM_VENDORS: Mapping[str, str] = {"portable computing language": "PoCL", "oclgrind": "Oclgrind"}
VENDORS: Mapping[str, str] = {
    "nvidia": "NVIDIA", "advanced micro devices": "AMD", "amd": "AMD", "intel": "Intel", "arm": "Arm", "mali": "Arm",
    "qualcomm": "Qualcomm", "vivante": "Vivante", "imagination": "Imagination", "mesa": "Mesa",
}  # fmt: skip

FMA = 1 << 5  # CL_FP_FMA of CL_DEVICE_SINGLE_FP_CONFIG
FIRST_DP4A = (6, 1)  # compute capability; PTX ISA, "dp4a"
FIRST_MMA_S8 = (8, 0)  # m16n8k32 of signed bytes; PTX ISA, "mma"

NEWER_SYMBOLS = (  # of OpenCL 2.0 and later, and of extensions: what a 1.2 library does not have
    "clCreateCommandQueueWithProperties", "clCreateBufferWithProperties", "clSVMAlloc", "clSVMFree",
    "clSetKernelArgSVMPointer", "clGetKernelSubGroupInfo", "clCreateProgramWithIL", "clCloneKernel",
    "clGetDeviceAndHostTimer", "clGetHostTimer", "clSetDefaultDeviceCommandQueue", "clCreatePipe",
    "clCreateSamplerWithProperties", "clSetProgramSpecializationConstant", "clSetContextDestructorCallback",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Caps:
    """A device's properties.

    vendor: one of the names above, or what the driver says. kind: "gpu", "accelerator", "cpu" or "other".
    c_version: of OpenCL C. fma: in hardware for float. fp16: half arithmetic (storage every device has).
    dot: how four bytes are multiplied at once, of "ptx", "khr", "arm". mma: tensor cores through inline PTX.
    alignment_bytes: of a sub-buffer's offset. unified_memory: the host's memory is the device's.
    loops: which inner loops may be used, the preferred one first.
    hidden: library functions that are treated as missing.
    """

    vendor: str
    name: str
    driver: str
    platform: str
    platform_version: str
    version: str
    kind: str
    c_version: tuple[int, int]
    extensions: frozenset[str]
    fma: bool
    fp16: bool
    dot: tuple[str, ...]
    mma: bool
    subgroups: bool
    alignment_bytes: int
    address_bits: int
    unified_memory: bool
    compute_units: int
    max_work_group: int
    max_work_items: tuple[int, ...]
    local_memory_bytes: int
    max_alloc_bytes: int
    memory_bytes: int
    clock_mhz: int = 0
    loops: tuple[str, ...] = field(default=("f32", "int"))
    hidden: tuple[str, ...] = ()

    @property
    def is_cpu(self) -> bool:
        return self.kind == "cpu"

    @property
    def is_thread_safe(self) -> bool:
        """Oclgrind loses writes when two threads run kernels."""
        return self.vendor != "Oclgrind"

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes compiled programs and measurements those of another device, the driver's version included."""
        limits = "small" if self.hidden else "device"
        return self.platform, self.platform_version, self.name, self.version, self.driver, limits

    def with_loops(self, loops: tuple[str, ...]) -> Caps:
        return replace(self, loops=loops)

    def candidates(self) -> tuple[str, ...]:
        """The inner loops that the device claims to have, before anything was tried.

        A CPU's vectors of floats are faster than its products of bytes: 3 times in MobileNetV2 with Intel's driver.
        """
        named = {"mma": self.mma, "f32": True, "int": True, **{f"dot_{kind}": True for kind in self.dot}}
        found = [loop for loop in LOOPS if named.get(loop, False)]
        return tuple(sorted(found, key=lambda loop: loop != "f32") if self.is_cpu else found)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return found | {"extensions": sorted(self.extensions), "hidden": len(self.hidden)}


def small(caps: Caps) -> Caps:
    """The same device with the limits of the smallest one, for tests of what such a device needs.

    A Vivante GC7000L has no fma and 32-bit addresses; rusticl's llvmpipe takes 32 work-items in a group.
    """
    return replace(
        caps,
        version="OpenCL 1.2",
        c_version=(1, 2),
        extensions=frozenset(),
        fma=False,
        fp16=False,
        dot=(),
        mma=False,
        subgroups=False,
        alignment_bytes=128,
        address_bits=32,
        max_work_group=32,
        max_work_items=(32, 32, 32),
        local_memory_bytes=min(caps.local_memory_bytes, 32 << 10),
        max_alloc_bytes=min(caps.max_alloc_bytes, 128 << 20),
        hidden=NEWER_SYMBOLS,
    )


def read(device: Any) -> Caps:
    """From pyopencl's device. Raises pyopencl's errors."""
    platform = device.platform
    extensions = frozenset(str(device.extensions).split())
    vendor = vendor_of(str(platform.name), str(platform.vendor), str(device.vendor))
    capability = _compute_capability(device, vendor)
    dot = _dot_kinds(extensions, capability)
    caps = Caps(
        vendor=vendor,
        name=" ".join(str(device.name).split()),
        driver=str(device.driver_version).strip(),
        platform=str(platform.name).strip(),
        platform_version=str(platform.version).strip(),
        version=str(device.version).strip(),
        kind=kind_of(int(device.type)),
        c_version=c_version_of(str(device.opencl_c_version)),
        extensions=extensions,
        fma=bool(int(device.single_fp_config) & FMA),
        fp16="cl_khr_fp16" in extensions,
        dot=dot,
        mma=capability >= FIRST_MMA_S8,
        subgroups=bool({"cl_khr_subgroups", "cl_intel_subgroups"} & extensions),
        alignment_bytes=max(1, int(device.mem_base_addr_align) // 8),
        address_bits=int(device.address_bits),
        unified_memory=bool(device.host_unified_memory),
        compute_units=int(device.max_compute_units),
        max_work_group=int(device.max_work_group_size),
        max_work_items=tuple(int(size) for size in device.max_work_item_sizes),
        local_memory_bytes=int(device.local_mem_size),
        max_alloc_bytes=int(device.max_mem_alloc_size),
        memory_bytes=int(device.global_mem_size),
        clock_mhz=int(device.max_clock_frequency),
    )
    return replace(caps, loops=caps.candidates())


def vendor_of(platform: str, platform_vendor: str, device_vendor: str) -> str:
    """One name for a vendor whose drivers spell it in several ways."""
    for part, name in PLATFORM_VENDORS.items():
        if part in platform.lower():
            return name
    for text in (device_vendor, platform_vendor, platform):
        for part, name in VENDORS.items():
            if re.search(rf"\b{part}", text.lower()):
                return name
    return device_vendor.strip() or platform_vendor.strip()


def kind_of(device_type: int) -> str:
    """From CL_DEVICE_TYPE: CPU is 2, GPU 4, ACCELERATOR 8."""
    return next((kind for bit, kind in ((4, "gpu"), (8, "accelerator"), (2, "cpu")) if device_type & bit), "other")


def c_version_of(text: str) -> tuple[int, int]:
    """From "OpenCL C 1.2 <vendor's text>"; (1, 0) for what says nothing."""
    match = re.match(r"OpenCL C (\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (1, 0)


def _dot_kinds(extensions: frozenset[str], capability: tuple[int, int]) -> tuple[str, ...]:
    kinds = []
    if capability >= FIRST_DP4A:
        kinds.append("ptx")
    if "cl_khr_integer_dot_product" in extensions:
        kinds.append("khr")
    if "cl_arm_integer_dot_product_accumulate_int8" in extensions:
        kinds.append("arm")
    return tuple(kinds)


def _compute_capability(device: Any, vendor: str) -> tuple[int, int]:
    """(0, 0) for all but NVIDIA's."""
    if vendor != "NVIDIA" or "cl_nv_device_attribute_query" not in str(device.extensions):
        return 0, 0
    return int(device.compute_capability_major_nv), int(device.compute_capability_minor_nv)
