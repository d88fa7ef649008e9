"""What the stand-in compiler's instructions say to a scalar core that is described in public."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared_models import needs_shared
from stand_in import SAMPLE, content, one_package
from subgraft.backends.edgetpu.emulator.compiler import compile_model
from subgraft.backends.edgetpu.package import DataHint, Program
from subgraft.backends.edgetpu.transfers import script

MAX_CHUNK_BYTES = 256 << 10

Descriptor = tuple[int, int, int]  # tag, size, address
BASES = {"input": 0x1_0000_0000, "output": 0x2_8000_0000, "parameters": 0x3_0000_1000}


def linked(program: Program, chunk: int) -> bytes:
    """The instructions with an address in each field, as a driver for PCIe would write them."""
    bitstream = program.bitstreams[chunk]
    words = int.from_bytes(bitstream.data, "little")
    for field in bitstream.fields:
        value = (BASES[field.source] >> (32 if field.upper else 0)) & 0xFFFFFFFF
        assert (words >> field.offset_bit) & 0xFFFFFFFF == 0
        words |= value << field.offset_bit
    return words.to_bytes(len(bitstream.data), "little")


def executed(instructions: bytes) -> Iterator[Descriptor]:
    """What the scalar core emits: its words in order, by the public description of their fields."""
    registers, slots = [0] * 32, [0] * 256
    for at in range(0, len(instructions), 16):
        word = int.from_bytes(instructions[at : at + 16], "little")
        if word & 0xFFFF != 0x0800:
            continue
        operation, register, immediate = (word >> 54) & 63, (word >> 60) & 31, (word >> 70) & 0xFFFFFFFF
        vector = (word >> 31) & 31
        if vector == 0x0A:
            slots[(word >> 36) & 255] = registers[(word >> 49) & 31]
        if vector == 0x0C:
            yield slots[3], slots[2], slots[1] << 32 | slots[0]
        if operation == 0x2F:
            registers[register] = immediate
        if operation == 0x21:
            registers[register] += immediate


def hinted(program: Program) -> Iterator[Descriptor]:
    tags = {"input": 1, "parameters": 2, "output": 3}
    for hint in program.hints:
        if isinstance(hint, DataHint):
            yield tags[hint.source], hint.size, BASES[hint.source] + hint.offset


def joined(descriptors: Iterator[Descriptor]) -> Iterator[Descriptor]:
    """Pieces of one transfer together."""
    last: Descriptor | None = None
    for tag, size, address in descriptors:
        if last and last[0] == tag and last[2] + last[1] == address:
            last = (tag, last[1] + size, last[2])
            continue
        if last:
            yield last
        last = (tag, size, address)
    if last:
        yield last


@needs_shared
@pytest.mark.parametrize("name", [*SAMPLE, "edgetpu/mobilenet_v2_1.0_224_quant"])
def test_the_instructions_announce_what_the_hints_list(name: str) -> None:
    for program in one_package(compile_model(content(name))).executables:
        announced = [d for i in range(len(program.bitstreams)) for d in executed(linked(program, i))]
        assert announced[-1][0] == 4
        assert list(joined(iter(announced[:-1]))) == list(joined(hinted(program)))
        assert script(program)
        for bitstream in program.bitstreams:
            assert len(bitstream.data) % 16 == 0
            assert len(bitstream.data) <= MAX_CHUNK_BYTES
            assert {field.offset_bit % 128 for field in bitstream.fields} <= {70}


@needs_shared
def test_large_models_have_several_chunks_and_read_large_inputs_in_parts_that_overlap() -> None:
    program = one_package(compile_model(content("edgetpu/posenet_mobilenet_v1_075_481_641_16_quant_decoder"))).inference
    assert len(program.bitstreams) > 1
    reads = [hint for hint in program.hints if isinstance(hint, DataHint) and hint.source == "input"]
    assert len(reads) == 2
    assert reads[1].offset < reads[0].size
    assert reads[1].offset + reads[1].size == program.inputs[0].size_bytes >= program.inputs[0].tensor_bytes
