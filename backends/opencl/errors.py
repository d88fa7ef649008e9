"""What can go wrong with OpenCL, as subclasses of the contract's errors, and the one seam for its codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from subgraft.delegates import DelegateError, Failed, Rejected, Unavailable

# cl.h of OpenCL 1.2, and what drivers add: the loader -1001, NVIDIA -9999 (a kernel touched memory not its own).
CODES: Mapping[int, str] = {
    -1: "DEVICE_NOT_FOUND", -2: "DEVICE_NOT_AVAILABLE", -3: "COMPILER_NOT_AVAILABLE",
    -4: "MEM_OBJECT_ALLOCATION_FAILURE", -5: "OUT_OF_RESOURCES", -6: "OUT_OF_HOST_MEMORY",
    -7: "PROFILING_INFO_NOT_AVAILABLE", -8: "MEM_COPY_OVERLAP", -11: "BUILD_PROGRAM_FAILURE", -12: "MAP_FAILURE",
    -13: "MISALIGNED_SUB_BUFFER_OFFSET", -14: "EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST",
    -15: "COMPILE_PROGRAM_FAILURE", -30: "INVALID_VALUE", -33: "INVALID_DEVICE", -34: "INVALID_CONTEXT",
    -36: "INVALID_COMMAND_QUEUE", -38: "INVALID_MEM_OBJECT", -42: "INVALID_BINARY", -43: "INVALID_BUILD_OPTIONS",
    -44: "INVALID_PROGRAM", -45: "INVALID_PROGRAM_EXECUTABLE", -46: "INVALID_KERNEL_NAME", -48: "INVALID_KERNEL",
    -52: "INVALID_KERNEL_ARGS", -53: "INVALID_WORK_DIMENSION", -54: "INVALID_WORK_GROUP_SIZE",
    -55: "INVALID_WORK_ITEM_SIZE", -59: "INVALID_OPERATION", -61: "INVALID_BUFFER_SIZE",
    -63: "INVALID_GLOBAL_WORK_SIZE", -1001: "PLATFORM_NOT_FOUND_KHR", -9999: "ILLEGAL_ACCESS",
}  # fmt: skip

LOG_LINES = 12  # of a build log in a message; the compiler's first complaint is the one that tells


class NotBuilt(Rejected):
    """The device's compiler does not take the program."""


class TooLarge(Rejected):
    """The segment needs a buffer or a work-group that the device does not offer."""


class OutOfMemory(Failed):
    """There is no memory for it: the device's or this machine's."""


class Lost(Failed):
    """The device is gone, or its driver has given up on what it was doing. Needs a new context."""


class Closed(Failed):
    """It was closed meanwhile, as after a lost device."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a code comes to."""

    kind: type[DelegateError]
    words: str


MEANINGS: Mapping[str, _Meaning] = {
    "BUILD_PROGRAM_FAILURE": _Meaning(NotBuilt, "does not compile the kernels"),
    "COMPILE_PROGRAM_FAILURE": _Meaning(NotBuilt, "does not compile the kernels"),
    "INVALID_BUILD_OPTIONS": _Meaning(NotBuilt, "does not know an option for its compiler"),
    "COMPILER_NOT_AVAILABLE": _Meaning(NotBuilt, "has no compiler for OpenCL C"),
    "INVALID_BINARY": _Meaning(NotBuilt, "does not take a compiled program"),
    "INVALID_PROGRAM_EXECUTABLE": _Meaning(NotBuilt, "has no code for a kernel"),
    "INVALID_BUFFER_SIZE": _Meaning(TooLarge, "has no buffers of that size; use fewer ops on it (deny_nodes)"),
    "INVALID_WORK_GROUP_SIZE": _Meaning(TooLarge, "does not take a kernel's work-group"),
    "INVALID_WORK_ITEM_SIZE": _Meaning(TooLarge, "does not take a kernel's work-group"),
    "INVALID_GLOBAL_WORK_SIZE": _Meaning(TooLarge, "does not take a kernel's range"),
    "MEM_OBJECT_ALLOCATION_FAILURE": _Meaning(OutOfMemory, "has no memory left; end what else uses it"),
    "OUT_OF_HOST_MEMORY": _Meaning(OutOfMemory, "got no memory from this machine"),
    "MAP_FAILURE": _Meaning(OutOfMemory, "could not show its memory to the host"),
    "OUT_OF_RESOURCES": _Meaning(Lost, "ran out of resources, or its driver broke a kernel off that ran too long"),
    "DEVICE_NOT_AVAILABLE": _Meaning(Lost, "is gone"),
    "INVALID_COMMAND_QUEUE": _Meaning(Lost, "has given up on its queue, as after a kernel that was broken off"),
    "INVALID_CONTEXT": _Meaning(Lost, "has given up on its context"),
    "ILLEGAL_ACCESS": _Meaning(Lost, "broke a kernel off that touched memory which is not its own"),
    "EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST": _Meaning(Lost, "broke a command off"),
    "CLOSED": _Meaning(Closed, "was let go of"),
    "FORKED": _Meaning(Closed, "was opened before this process was forked; spawn processes instead of forking them"),
    "BUSY": _Meaning(Failed, "still runs this segment in another thread"),
    "MISSING_SYMBOL": _Meaning(Rejected, "has a libOpenCL without a function that is needed"),
    "NO_ANSWER": _Meaning(Lost, "said that all is well and gave nothing"),
    "DEVICE_NOT_FOUND": _Meaning(Unavailable, "is not there any more"),
}


def translate(error: BaseException, doing: str, where: str) -> DelegateError:
    """The error to raise from what native code (ClError), pyopencl or Python (MemoryError) raised.

    doing: what failed, as in "running its kernels"; where: the device as a user knows it, "opencl:0 (NVIDIA, H100)".
    """
    if isinstance(error, MemoryError):
        return OutOfMemory(f"{where} got no memory from this machine while {doing}")
    code, call = code_of(error), _call_of(error)
    meaning = MEANINGS.get(code) or _Meaning(Failed, "failed")
    place = f"{call}, while {doing}" if call else f"while {doing}"
    return meaning.kind(f"{where} {meaning.words} ({code or error} in {place}){_log_of(error)}")


def code_of(error: BaseException) -> str:
    """The name of OpenCL's code: native code has names, pyopencl has numbers. "" where there is none."""
    code = getattr(error, "code", "")
    return CODES.get(code, f"code {code}") if isinstance(code, int) else str(code)


def _call_of(error: BaseException) -> str:
    return str(getattr(error, "call", "") or getattr(error, "routine", "") or "")


def _log_of(error: BaseException) -> str:
    """The beginning of the build log, on lines of its own."""
    lines = [line.rstrip() for line in str(getattr(error, "log", "") or "").splitlines() if line.strip()]
    if not lines:
        return ""
    more = [f"... and {len(lines) - LOG_LINES} lines more"] if len(lines) > LOG_LINES else []
    return "\n".join([":", *lines[:LOG_LINES], *more])


def failed(error: BaseException, where: str, doing: str = "running its kernels") -> Failed:
    """For a run, which fails and is never rejected."""
    found = translate(error, doing, where)
    return found if isinstance(found, Failed) else Failed(found.reason)


def rejected(error: BaseException, where: str, doing: str = "compiling a segment for it") -> DelegateError:
    """For what the device does not take: Rejected, unless the device is lost or out of memory, which passes."""
    found = translate(error, doing, where)
    return Rejected(found.reason) if type(found) is Failed else found


def unavailable(error: BaseException, where: str, doing: str = "opening it") -> Unavailable:
    """For a device that cannot be used at all."""
    found = translate(error, doing, where)
    return found if isinstance(found, Unavailable) else Unavailable(found.reason)
