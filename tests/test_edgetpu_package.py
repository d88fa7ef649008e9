"""Edge TPU packages: every compiled file here, forms that must be refused, and damaged ones."""

from __future__ import annotations

import itertools
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from flatbuffers import flexbuffers

from edgetpu_packages import (
    EXECUTION_ONLY,
    OUTPUT,
    PARAMETER_CACHING,
    STAND_ALONE,
    Executable,
    bitstream,
    compiled_files,
    data,
    flatbuffer,
    i16,
    i32,
    instructions,
    interrupt,
    layer,
    package,
    package_in,
    small_package,
    target,
    u8,
)
from shared_models import needs_shared
from subgraft.backends.edgetpu import relayout, transfers
from subgraft.backends.edgetpu.errors import NeedsNewerRuntime, PackageError
from subgraft.backends.edgetpu.package import CUSTOM_OP, STAND_IN, Field, Package, package_of
from subgraft.delegates import Op, Rejected
from subgraft.interpreter.model import Model


@dataclass(frozen=True)
class Figures:
    """What Google's own tools and driver report of one compiled file."""

    instructions: tuple[int, ...]
    hints: int
    filling: tuple[int, int]  # instruction and parameter bytes of the program that fills the parameter memory
    runtime: int
    types: frozenset[str] = frozenset({"uint8"})
    streamed: int = 0
    scratch: int = 0
    deterministic: bool = True


SIGNED = frozenset({"uint8", "int8"})
FIGURES = {
    "bright_128x128": Figures((49696,), 5, (688, 192), 14, SIGNED, streamed=524288),
    "bright_16x16": Figures((18240,), 4, (944, 8384), 14, SIGNED),
    "deeplabv3_mnv2_dm05_pascal_quant": Figures((160784,), 5, (8016, 766720), 12),
    "dense_256": Figures((4224,), 4, (1072, 67584), 14),
    "gabor_64x64_p4": Figures((7040,), 4, (688, 3200), 14),
    "keras_lstm_mnist_ptq": Figures(
        (60864,), 5, (3152, 43968), 12, SIGNED | {"int16"}, streamed=576, scratch=672, deterministic=False
    ),
    "looming_64x64_3x3": Figures((20320,), 4, (944, 1024), 14),
    "mobilenet_v1_0.25_128_quant": Figures((170032,), 4, (12624, 566912), 12),
    "mobilenet_v1_0.25_128_quant_cocompiled_with_3quant": Figures((182928,), 5, (4560, 315840), 12, streamed=251072),
    "mobilenet_v1_0.25_128_quant_cocompiled_with_mobilenet_v1_0.5_160_quant": Figures(
        (170032,), 4, (12624, 566912), 12
    ),
    "mobilenet_v1_0.5_160_quant": Figures((75776,), 4, (6352, 1425024), 12),
    "mobilenet_v1_0.5_160_quant_cocompiled_with_mobilenet_v1_0.25_128_quant": Figures(
        (205936,), 4, (12624, 1473280), 12
    ),
    "mobilenet_v2_1.0_224_quant": Figures((129632,), 4, (9680, 3900864), 12),
    "movenet_single_pose_lightning_ptq": Figures(
        (133408,), 10, (10032, 2862656), 12, frozenset({"int8"}), streamed=2368
    ),
    "posenet_mobilenet_v1_075_481_641_16_quant_decoder": Figures((235744,), 7, (4816, 1444608), 12),
    "split_concat": Figures((23648,), 10, (1232, 192), 13),
    "ssd_mobilenet_v2_coco_quant_postprocess_segment_0_of_2": Figures((162848,), 6, (7632, 2914752), 12),
    "ssd_mobilenet_v2_coco_quant_postprocess_segment_1_of_2": Figures((124608,), 7, (4688, 3608512), 12),
}


def name_of(path: Path) -> str:
    return path.name.removesuffix("_edgetpu.tflite")


@needs_shared
@pytest.mark.parametrize("path", compiled_files(), ids=name_of)
def test_a_compiled_file_has_the_figures_that_google_s_tools_report(path: Path) -> None:
    parsed = package_in(path)
    running, filling = parsed.inference, parsed.parameter_caching
    assert filling is not None
    assert (running.kind, filling.kind) == ("execution_only", "parameter_caching")
    assert FIGURES[name_of(path)] == Figures(
        instructions=tuple(len(b.data) for b in running.bitstreams),
        hints=len(running.hints),
        filling=(sum(len(b.data) for b in filling.bitstreams), len(filling.parameters)),
        runtime=parsed.min_runtime_version,
        types=frozenset(a.dtype for a in (*running.inputs, *running.outputs)),
        streamed=len(running.parameters),
        scratch=running.scratch_bytes,
        deterministic=running.deterministic,
    )
    assert running.token == filling.token != 0
    assert len(filling.hints) == 3
    assert not parsed.is_for_emulator


@needs_shared
def test_models_compiled_together_share_a_token_and_no_others_do() -> None:
    tokens = {name_of(path): package_in(path).inference.token for path in compiled_files()}
    together = [
        names
        for _, grouped in itertools.groupby(sorted(tokens, key=lambda n: (tokens[n], n)), tokens.__getitem__)
        if len(names := list(grouped)) > 1
    ]
    assert together == [
        [f"ssd_mobilenet_v2_coco_quant_postprocess_segment_{i}_of_2" for i in range(2)],
        [
            "mobilenet_v1_0.25_128_quant_cocompiled_with_mobilenet_v1_0.5_160_quant",
            "mobilenet_v1_0.5_160_quant_cocompiled_with_mobilenet_v1_0.25_128_quant",
        ],
    ]


@needs_shared
def test_a_package_of_4_mb_is_read_in_milliseconds() -> None:
    (path,) = (path for path in compiled_files() if name_of(path) == "mobilenet_v2_1.0_224_quant")
    (op,) = Model.open(path).graphs[0].ops

    def seconds() -> float:
        started = time.perf_counter()
        Package.parse(package_of(op))
        return time.perf_counter() - started

    assert min(seconds() for _ in range(5)) < 0.02


@needs_shared
@pytest.mark.parametrize("path", compiled_files(), ids=name_of)
def test_addresses_go_to_the_immediates_of_words(path: Path) -> None:
    for program in package_in(path).executables:
        fields = [f for b in program.bitstreams for f in b.fields]
        assert fields
        assert {f.offset_bit % 128 for f in fields} == {70}
        assert {f.source for f in fields} <= {"input", "output", "parameters", "scratch"}


def test_everything_in_a_package_is_read() -> None:
    parsed = Package.parse(small_package())
    running, filling = parsed.inference, parsed.parameter_caching
    assert (parsed.min_runtime_version, parsed.compiler_version) == (13, "made by a test")
    assert filling is not None
    assert (len(filling.parameters), filling.token, filling.chip) == (64, 0x1234, "beagle")
    assert running.bitstreams[0].fields == (Field("input", "in", 0, False, 70), Field("output", "out", 0, True, 198))
    assert [len(b.data) for b in running.bitstreams] == [48, 16]
    assert running.scratch_bytes == 16
    (out,) = running.outputs
    assert (out.name, out.size_bytes, (out.y, out.x, out.z), out.dtype) == ("out", 80, (4, 5, 3), "int8")
    assert (out.zero_point, out.scale) == (128, 0.5)


def stand_alone(**slots: object) -> Executable:
    return Executable(
        STAND_ALONE,
        [bitstream(bytes(16))],
        [instructions(0), data(OUTPUT, 0, 8, "out", outfeed=True), interrupt(0)],
        outputs=[layer("out", (1, 1, 5), 1, size=8)],
        slots={int(k[1:]): v for k, v in slots.items()},
    )


def of_kind(kind: int) -> Executable:
    return stand_alone(_13=i16(kind))


def test_a_stand_alone_program_needs_no_parameters_beforehand() -> None:
    parsed = Package.parse(package(stand_alone()))
    assert parsed.inference.kind == "standalone"
    assert parsed.parameter_caching is None


def test_the_stand_alone_program_is_used_where_all_three_are_there() -> None:
    parsed = Package.parse(package(*map(of_kind, (PARAMETER_CACHING, EXECUTION_ONLY, STAND_ALONE))))
    assert parsed.inference.kind == "standalone"
    assert parsed.parameter_caching is None


def test_a_package_of_the_stand_in_compiler_says_so() -> None:
    assert Package.parse(package(stand_alone(), slots={4: f"{STAND_IN} 1"})).is_for_emulator


@pytest.mark.parametrize(
    "kinds",
    [
        (STAND_ALONE, STAND_ALONE),
        (EXECUTION_ONLY, STAND_ALONE),
        (EXECUTION_ONLY, PARAMETER_CACHING, EXECUTION_ONLY),
        (),
    ],
)
def test_programs_that_do_not_go_together_are_refused(kinds: tuple[int, ...]) -> None:
    with pytest.raises(PackageError, match="no known combination"):
        Package.parse(package(*map(of_kind, kinds)))


def test_a_package_for_a_later_runtime_is_refused_with_the_versions() -> None:
    with pytest.raises(NeedsNewerRuntime, match="compiled for runtime version 15, this driver speaks up to 14"):
        Package.parse(package(stand_alone(), runtime=15))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (package(stand_alone(), runtime=0), "runtime version 0"),
        (package(stand_alone(_10="noronha")), "compiled for the chip 'noronha'"),
        (package(stand_alone(_13=i16(3))), "the type 3"),
        (package(stand_alone(_0=i32(1))), "format version 1"),
        (package(stand_alone(_15=u8(1))), "DRAM"),
        (package(stand_alone(_3=i32(-1))), "batches of -1"),
        (package(stand_alone(_4=i32(1 << 30))), "scratch"),
        (package(stand_alone(), slots={6: [{0: b"x"}]}), "several chips"),
        (package(stand_alone(), slots={1: b""}), "no programs"),
        (package(*[stand_alone()] * 4), "4 entries, where 3 is the most"),
        (package(stand_alone(_9=[layer("out", (1, 1, 5), 2)])), "wrong kind"),
        (package(stand_alone(_9=[layer("out", (1, 1, 5), 1, dtype=6)])), "data type 6"),
        (package(stand_alone(_9=[layer("out", (0, 1, 5), 1)])), "0 x 1 x 5"),
        (package(stand_alone(_9=[layer("out", (1, 1, 5), 1, size=1 << 30)])), "in 1073741824 bytes"),
        (package(stand_alone(_9=[layer("a", (1, 1, 5), 1)] * 2)), "the same name"),
        (package(stand_alone(_9=[layer("n" * 5000, (1, 1, 5), 1)])), "a name of over 4096 bytes"),
        (package(stand_alone(_9=[{**layer("out", (2, 1, 5), 1), 8: {2: {}}}])), "described by slices"),
        (package(stand_alone(_5=[bitstream(bytes(16), (OUTPUT, "out", False, 97))])), "bit 97"),
        (package(stand_alone(_5=[bitstream(bytes(16), (OUTPUT, "out", False, -1))])), "bit -1"),
        (package(stand_alone(_5=[bitstream(bytes(16), (4, "out", False, 0))])), "memory of the kind 4"),
        (package(stand_alone(_7={0: [{0: u8(5), 1: {}}]})), "DMA hint of the kind 5"),
        (package(stand_alone(_7={0: [{0: u8(1)}]})), "a DMA hint is empty"),
        (b"", "'DWN1' is missing"),
        (b"TFL3" * 4, "'DWN1' is missing"),
        (flatbuffer({}, b"DWN1"), "runtime version 0"),
    ],
)
def test_a_package_that_makes_no_sense_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(PackageError, match=reason):
        Package.parse(content)


def op_with(options: object) -> Op:
    return Op(CUSTOM_OP, (0,), (1,), is_custom=True, custom_options=bytes(flexbuffers.Dumps(options)))


def test_the_package_comes_out_of_the_custom_op() -> None:
    assert package_of(op_with({"1": 0, "4": b"DWN1", "5": -1, "6": [18], "7": []})) == b"DWN1"
    assert package_of(op_with({"4": "DWN1"})) == b"DWN1"


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (Op("ADD", (0,), (1,)), "ADD is no edgetpu-custom-op"),
        (Op(CUSTOM_OP, (0,), (1,), custom_options=b""), "damaged, or of a form before 2019"),
        (op_with({"3": "binary", "4": "DWN1"}), "an older form"),
        (op_with([1, 2]), "an older form"),
        (op_with({"1": 0}), "holds no package"),
        (op_with({"4": 7}), "holds no package"),
        (op_with({"4": "DWN1", "7": ["another"]}), "several chips"),
    ],
)
def test_another_form_of_the_custom_op_is_refused_with_the_reason(op: Op, reason: str) -> None:
    with pytest.raises(PackageError, match=reason):
        package_of(op)


def damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    """One to three damages: a random byte, a word of an odd value, a copied word, bytes cut out, or an end cut off."""
    content = bytearray(whole)
    odd = (0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, len(whole), len(whole) // 4, 0x10000)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(8, len(content) - 4))
        form = int(rng.integers(60))
        if form < 28:
            content[at] = int(rng.integers(256))
        elif form < 44:
            content[at & ~3 : (at & ~3) + 4] = int(rng.choice(odd)).to_bytes(4, "little")
        elif form < 58:
            source = int(rng.integers(8, len(content) - 4)) & ~3
            content[at & ~3 : (at & ~3) + 4] = content[source : source + 4]
        elif form == 58:
            del content[at : at + 4]
        elif len(content) > 64:
            del content[max(at, 64) :]
    return bytes(content)


def use(content: bytes) -> bool:
    """Everything that reads a package before a device gets it; False: refused."""
    try:
        parsed = Package.parse(content)
        for program in parsed.executables:
            transfers.script(program)
            for output in program.outputs:
                check_runs(relayout.runs(output), output.size_bytes, output.tensor_bytes)
    except Rejected:
        return False
    return True


def check_runs(runs: relayout.Runs, size_bytes: int, tensor_bytes: int) -> None:
    """What native code relies on."""
    sources, places, pixels, pixel_bytes, strides = runs.T
    assert (sources >= 0).all()
    assert (pixels >= 1).all()
    assert (pixel_bytes >= 1).all()
    assert (strides >= 0).all()
    assert (sources + (pixels - 1) * strides + pixel_bytes).max() <= size_bytes
    sizes = pixels * pixel_bytes
    assert (places == np.cumsum(sizes) - sizes).all()
    assert sizes.sum() == tensor_bytes


def test_no_damage_does_worse_than_a_refusal() -> None:
    rng = np.random.default_rng(1)
    whole = small_package()
    assert use(whole)
    outcomes = [use(damaged(whole, rng)) for _ in range(20_000)]
    assert 2_000 < sum(outcomes) < 16_000  # neither all harmless nor all refused at the door


def test_no_damage_takes_long_or_fills_the_memory() -> None:
    rng = np.random.default_rng(2)
    whole = small_package()
    tracemalloc.start()
    longest = 0.0
    try:
        for _ in range(1_500):
            started = time.perf_counter()
            use(damaged(whole, rng))
            longest = max(longest, time.perf_counter() - started)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert longest < 1.0
    assert peak < 64 << 20


def real_packages(most_bytes: int) -> Iterator[bytes]:
    for path in compiled_files():
        (op,) = (op for op in Model.open(path).graphs[0].ops if op.kind == CUSTOM_OP)
        if len(content := package_of(op)) <= most_bytes:
            yield content


def damaged_structure(content: bytes, rng: np.random.Generator) -> bytes:
    """Damage in the tables of a real package, which are few among its parameters and instructions."""
    words = np.frombuffer(content[: len(content) & ~3], "<u4")
    places = np.flatnonzero((words > 0) & (words < len(content)))  # what may be an offset, a size or a count
    changed = bytearray(content)
    for place in rng.choice(places, 8).tolist():
        changed[4 * place : 4 * place + 4] = int(rng.integers(1 << 32)).to_bytes(4, "little")
    return bytes(changed)


@needs_shared
def test_damaged_packages_of_real_models_are_read_or_refused() -> None:
    rng = np.random.default_rng(3)
    outcomes = [use(damaged_structure(p, rng)) for p in real_packages(60_000) for _ in range(150)]
    assert 0 < sum(outcomes) < len(outcomes)


@needs_shared
@pytest.mark.exhaustive
def test_many_damaged_packages_of_all_real_models_are_read_or_refused() -> None:
    rng = np.random.default_rng(4)
    outcomes = [use(damaged_structure(p, rng)) for p in real_packages(1 << 30) for _ in range(2_000)]
    assert 0 < sum(outcomes) < len(outcomes)


@pytest.mark.parametrize(
    "shared",
    [
        stand_alone(_5=[bitstream(bytes(1 << 16))] * 1000),
        stand_alone(_5=[{0: bytes(16), 1: [{0: target(OUTPUT, "n" * 60_000), 1: i32(0)}] * 1000}]),
    ],
    ids=["bitstreams", "names"],
)
def test_parts_that_share_their_bytes_do_not_multiply_in_memory(shared: Executable) -> None:
    content = package(shared)
    tracemalloc.start()
    try:
        with pytest.raises(PackageError, match="refers to the same data over and over"):
            Package.parse(content)
        assert tracemalloc.get_traced_memory()[1] < 8 * len(content) + (1 << 20)
    finally:
        tracemalloc.stop()
