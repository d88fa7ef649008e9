"""The emulated Coral from firmware download to inference, driven by raw transfers as traces of hardware show them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgetpu_packages import FOLDER, compiled_files, package_in, small_package
from edgetpu_raw_client import FIRMWARE, Ended, RawClient, Unanswered, event
from shared_models import needs_shared
from subgraft.backends.edgetpu.emulator import EmulatedCoral, EmulatedProgram
from subgraft.backends.edgetpu.package import Package, Program
from subgraft.backends.edgetpu.relayout import relayout
from subgraft.backends.edgetpu.transfers import Interrupt, Receive, Send, script

Bytes = npt.NDArray[np.uint8]


def opened(speed: str = "super", **options: bool) -> tuple[EmulatedCoral, RawClient]:
    coral = EmulatedCoral("app", "high" if speed == "high" else "super", **options)
    client = RawClient(coral)
    client.open(0x20 if speed == "high" else 0x80)
    coral.clear_log()
    return coral, client


def run(client: RawClient, program: Program, inputs: Sequence[bytes] = ()) -> list[bytes]:
    """One run by the package's hints. Returns what each output got, padded."""
    outputs = [bytearray(layer.size_bytes) for layer in program.outputs]
    scratch = bytearray(program.scratch_bytes)
    for step in script(program):
        if isinstance(step, Send):
            source = {
                "instructions": lambda s: program.bitstreams[s.index].data,
                "parameters": lambda s: program.parameters,
                "scratch": lambda s: bytes(scratch),
                "input": lambda s: inputs[s.index].ljust(s.offset + s.size, b"\xee"),
            }[step.source](step)
            client.send(step.tag, source[step.offset : step.offset + step.size])
        elif isinstance(step, Receive):
            target = scratch if step.source == "scratch" else outputs[step.index]
            got = read_output(client, step.size)
            target[step.offset : step.offset + step.size] = got
        elif isinstance(step, Interrupt):
            assert client.take(0x82, 16) == event(4 + step.number)
    return [bytes(output) for output in outputs]


def read_output(client: RawClient, size: int) -> bytes:
    got = b""
    while len(got) < size:
        got += client.take(0x81, -(-(size - len(got)) // 1024) * 1024)
    return got


def random_inputs(program: Program, seed: int = 0) -> list[bytes]:
    random = np.random.default_rng(seed)
    return [random.bytes(layer.tensor_bytes) for layer in program.inputs]


def model(name: str) -> Package:
    return package_in(FOLDER / name)


def test_firmware_is_taken_and_given_back_and_a_port_reset_starts_it() -> None:
    coral = EmulatedCoral()
    seen: list[str] = []
    coral.on_disconnect = lambda: seen.append("disconnect")
    coral.on_connect = lambda: seen.append(f"{coral.ids[0]:04x}:{coral.ids[1]:04x}")
    client = RawClient(coral)
    assert coral.ids == (0x1A6E, 0x089A)
    client.download()
    blocks = client.upload()
    assert [len(block) for block in blocks] == [256] * 128 + [0]
    assert b"".join(blocks)[: len(FIRMWARE)] == FIRMWARE
    assert coral.bus_reset()
    assert seen == ["disconnect", "18d1:9302"]
    assert coral.violations == ()


@needs_shared
def test_the_first_inference_of_mobilenet_v2_has_the_transfers_of_a_public_trace() -> None:
    package = model("mobilenet_v2_1.0_224_quant_edgetpu.tflite")
    coral = EmulatedCoral("dfu", check_bytes=True)
    client = RawClient(coral)
    client.download()
    coral.bus_reset()
    client.open()
    seen: list[tuple[bytes, list[Bytes]]] = []

    def compute(parameters: bytes, inputs: list[Bytes]) -> list[Bytes]:
        seen.append((parameters, inputs))
        return [np.arange(1001, dtype=np.uint8)]

    coral.teach(EmulatedProgram(package, compute))
    coral.clear_log()
    caching = package.parameter_caching
    assert caching
    run(client, caching)
    (given,) = random_inputs(package.inference)
    (output,) = run(client, package.inference, [given])

    assert [str(transfer) for transfer in coral.trace] == [
        "OUT 01 8",
        "OUT 01 9680",
        "OUT 01 8",
        "OUT 01 1048576",
        "OUT 01 1048576",
        "OUT 01 1048576",
        "OUT 01 755136",
        "IN 82 16",
        "OUT 01 8",
        "OUT 01 129632",
        "OUT 01 8",
        "OUT 01 150528",
        "IN 81 1008",
        "IN 82 16",
    ]
    heads = [transfer.data.hex(" ") for transfer in coral.trace if transfer.size == 8]
    assert heads == [
        "d0 25 00 00 00 00 00 00",
        "c0 85 3b 00 02 00 00 00",
        "60 fa 01 00 00 00 00 00",
        "00 4c 02 00 01 00 00 00",
    ]
    assert coral.violations == ()
    ((parameters, (image,)),) = seen
    assert parameters == caching.parameters
    assert image.tobytes() == given and image.shape == (224, 224, 3)
    assert relayout(package.inference.outputs[0], output).reshape(-1).tolist() == [i % 256 for i in range(1001)]


@needs_shared
@pytest.mark.parametrize("speed", ["super", "high"])
@pytest.mark.parametrize("path", compiled_files(), ids=lambda path: path.stem)
def test_every_compiled_model_runs_its_protocol(path: Path, speed: str) -> None:
    package = package_in(path)
    if not package.inference.deterministic:
        pytest.skip("its transfers are not listed")
    coral, client = opened(speed, check_bytes=True)
    coral.teach(EmulatedProgram(package))
    if package.parameter_caching:
        run(client, package.parameter_caching)
    inputs = random_inputs(package.inference)
    first, again = (run(client, package.inference, inputs) for _ in range(2))
    other = run(client, package.inference, random_inputs(package.inference, seed=1))
    assert coral.violations == ()
    assert first == again != other
    assert coral.counts()["inference"] == 3


@pytest.mark.parametrize("speed", ["super", "high"])
def test_streamed_parameters_scratch_and_chunks_of_instructions_arrive_in_order(speed: str) -> None:
    package = Package.parse(small_package())
    coral, client = opened(speed, check_bytes=True)
    seen: list[bytes] = []

    def compute(parameters: bytes, inputs: list[Bytes]) -> list[Bytes]:
        seen.append(parameters)
        return [inputs[0].astype(np.int8)]

    coral.teach(EmulatedProgram(package, compute))
    assert package.parameter_caching
    run(client, package.parameter_caching)
    inputs = [bytes(range(60))]
    (output,) = run(client, package.inference, inputs)
    assert coral.violations == ()
    assert seen == [bytes(64 + 24)]
    assert relayout(package.inference.outputs[0], output).tobytes() == inputs[0]


def test_no_data_are_taken_before_the_device_runs() -> None:
    coral = EmulatedCoral("app")
    client = RawClient(coral)
    with pytest.raises(Unanswered):
        client.out(struct.pack("<II", 32, 0))
    assert [violation.rule for violation in coral.violations] == ["halted"]


def test_an_unplugged_device_ends_every_transfer() -> None:
    coral, client = opened()
    reads = [client.read_later(endpoint, 1024) for endpoint in (0x81, 0x82, 0x83)]
    coral.unplug()
    assert [urb.status for urb in reads] == ["NO_DEVICE"] * 3
    with pytest.raises(Ended, match="NO_DEVICE"):
        client.read(0x1A000, 4)
