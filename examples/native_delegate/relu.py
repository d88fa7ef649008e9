"""A delegate whose executable is C code: RELU of float32.

python relu.py            compiles relu.c with the C compiler here and runs a model through it
"""

import ctypes
import subprocess
import sys
import tempfile
from math import prod
from pathlib import Path

import numpy as np

import subgraft
from subgraft.delegates import Device, Graph, Health, Op, Rejected, Tensor, rule, verdict

HERE = Path(__file__).parent
CAPSULE = b"subgraft.executable"


@rule
def relu_of_float32(op: Op, graph: Graph) -> bool:
    """only RELU of float32"""
    return op.kind == "RELU" and graph.tensors[op.inputs[0]].dtype == "float32"


class NativeRelu:
    name = "native-relu"

    def __init__(self, library: Path) -> None:
        self.library = ctypes.CDLL(str(library))
        self.library.relu_create.restype = ctypes.c_void_p
        self.library.relu_create.argtypes = [ctypes.c_size_t]
        self.library.relu_destroy.argtypes = [ctypes.c_void_p]

    def devices(self):
        return [Device(self.name, "0", "the CPU, from C", emulated=True)]

    def check(self, op, graph):
        return verdict(op, graph, [relu_of_float32])

    def cost(self, segment):
        return None

    def compile(self, segment, device):
        if len(segment.ops) != 1:
            raise Rejected(f"one RELU at a time, not {len(segment.ops)} ops")
        return Executable(self.library, prod(segment.graph.tensors[segment.inputs[0]].shape))

    def health(self, device):
        return Health.OK


class Executable:
    def __init__(self, library, count):
        self.library = library
        self.pointer = library.relu_create(count)
        if not self.pointer:
            raise Rejected("no memory for the executable")

    def capsule(self):
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return new(self.pointer, CAPSULE, None)

    def run(self, inputs, outputs):
        raise AssertionError("subgraft runs what has a capsule natively")

    def close(self):
        if self.pointer:
            self.library.relu_destroy(self.pointer)
            self.pointer = None


def build(folder):
    """Compiles relu.c into a shared library."""
    library = Path(folder) / "librelu.so"
    source = HERE / "relu.c"
    command = ["cc", "-O2", "-shared", "-fPIC", f"-I{subgraft.get_include()}", str(source), "-o", str(library)]
    subprocess.run(command, check=True)
    return library


def model():
    """RELU between two NEG, as a .tflite file."""
    tensors = [Tensor(name, (1, 8), "float32") for name in "abcd"]
    ops = [Op("NEG", (0,), (1,)), Op("RELU", (1,), (2,)), Op("NEG", (2,), (3,))]
    return subgraft.Model.of(Graph(tensors, ops, (0,), (3,)))


def main():
    with tempfile.TemporaryDirectory() as folder, subgraft.load(model(), [NativeRelu(build(folder))]) as session:
        print(session.plan.explain())
        x = np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 8)
        y = session.run({"a": x})["d"]
        print(y)
        return 0 if np.array_equal(y, -np.maximum(-x, 0)) and not session.report.events else 1


if __name__ == "__main__":
    sys.exit(main())
