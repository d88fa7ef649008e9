"""The declarations of the Neural Networks API are those of Android's headers, for 32-bit and 64-bit machines."""

from __future__ import annotations

import ctypes

import pytest

from subgraft import _native

# NeuralNetworks.h: the parameters of each function without its prefix; h is a handle or any other pointer.
HEADER = """
27 Memory_createFromFd size int int size h
27 Memory_free h -> void
27 Model_create h
27 Model_free h -> void
27 Model_finish h
27 Model_addOperand h h
27 Model_setOperandValue h int h size
27 Model_addOperation h int uint h uint h
27 Model_identifyInputsAndOutputs h uint h uint h
27 Compilation_create h h
27 Compilation_free h -> void
27 Compilation_setPreference h int
27 Compilation_finish h
27 Execution_create h h
27 Execution_free h -> void
27 Execution_setInput h int h h size
27 Execution_setInputFromMemory h int h h size size
27 Execution_setOutput h int h h size
27 Execution_setOutputFromMemory h int h h size size
27 Execution_startCompute h h
27 Event_wait h
27 Event_free h -> void
28 Model_relaxComputationFloat32toFloat16 h bool
29 _getDeviceCount h
29 _getDevice uint h
29 Device_getName h h
29 Device_getType h h
29 Device_getVersion h h
29 Device_getFeatureLevel h h
29 Model_getSupportedOperationsForDevices h h uint h
29 Model_setOperandSymmPerChannelQuantParams h int h
29 Compilation_createForDevices h h uint h
29 Compilation_setCaching h h h
29 Execution_compute h
29 Execution_getOutputOperandRank h int h
29 Execution_getOutputOperandDimensions h int h
29 Burst_create h h
29 Burst_free h -> void
29 Execution_burstCompute h h
29 Execution_setMeasureTiming h bool
29 Execution_getDuration h int h
30 Model_setOperandValueFromModel h int h
30 Compilation_setPriority h int
30 Compilation_setTimeout h uint64
30 Execution_setTimeout h uint64
30 Execution_setLoopTimeout h uint64
31 _getRuntimeFeatureLevel -> int64
31 Execution_setReusable h bool
"""
WORDS = {
    "h": "pointer", "int": "int32", "uint": "uint32", "bool": "bool", "uint64": "uint64",
    "size": "uint64" if ctypes.sizeof(ctypes.c_size_t) == 8 else "uint32",
}  # fmt: skip


def declared(line: str) -> tuple[str, str]:
    """A line of HEADER as (the function's name, its signature)."""
    parameters, _, result = line.partition(" -> ")
    _, name, *types = parameters.split()
    return f"ANeuralNetworks{name}", f"{result or 'int32'}({', '.join(WORDS[t] for t in types)})"


def test_every_function_has_the_headers_parameters() -> None:
    assert _native.nnapi_signatures() == dict(declared(line) for line in HEADER.strip().splitlines())


@pytest.mark.parametrize(("bits", "pointer"), [(64, ctypes.c_uint64), (32, ctypes.c_uint32), (0, ctypes.c_void_p)])
def test_the_structs_are_laid_out_as_a_c_compiler_does_it(bits: int, pointer: type[ctypes.c_uint32]) -> None:
    class OperandType(ctypes.Structure):
        _fields_ = (
            ("type", ctypes.c_int32),
            ("dimensionCount", ctypes.c_uint32),
            ("dimensions", pointer),
            ("scale", ctypes.c_float),
            ("zeroPoint", ctypes.c_int32),
        )

    class SymmPerChannelQuantParams(ctypes.Structure):
        _fields_ = (("channelDim", ctypes.c_uint32), ("scaleCount", ctypes.c_uint32), ("scales", pointer))

    expected = {}
    for struct in (OperandType, SymmPerChannelQuantParams):
        expected[struct.__name__] = ctypes.sizeof(struct)
        for name, _ in struct._fields_:
            expected[f"{struct.__name__}.{name}"] = getattr(struct, name).offset
    assert _native.nnapi_layout(bits) == expected


@pytest.mark.parametrize(
    ("bits", "sizes", "offsets"), [(64, (24, 16), (0, 4, 8, 16, 20)), (32, (20, 12), (0, 4, 8, 12, 16))]
)
def test_the_structs_have_androids_sizes(bits: int, sizes: tuple[int, ...], offsets: tuple[int, ...]) -> None:
    found = _native.nnapi_layout(bits)
    assert (found["OperandType"], found["SymmPerChannelQuantParams"]) == sizes
    names = ("type", "dimensionCount", "dimensions", "scale", "zeroPoint")
    assert tuple(found[f"OperandType.{name}"] for name in names) == offsets


def test_a_pointer_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="pointers of 16 bits"):
        _native.nnapi_layout(16)
