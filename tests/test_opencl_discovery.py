"""OpenCL devices: in which order they come, how they are named, and what is said where there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opencl_device import TestDevice, build_driver, in_child
from subgraft.backends.opencl import drivers, library
from subgraft.backends.opencl.caps import Caps, c_version_of, small, vendor_of
from subgraft.backends.opencl.discovery import Found, device_of, facts, find
from subgraft.delegates import Unavailable

LIST = """
import json
from subgraft.backends.opencl import discovery
from subgraft.delegates import Unavailable
try:
    print(json.dumps([[one.caps.vendor, one.caps.name, one.caps.kind, one.problem] for one in discovery.attached()]))
except Unavailable as error:
    print(json.dumps(error.reason))
"""
FORKED = """
import json, os
from subgraft.backends.opencl import discovery
from subgraft.delegates import Unavailable
there = len(discovery.attached())
out, into = os.pipe()
child = os.fork()
if child == 0:
    try:
        told = str(len(discovery.attached()))
    except Unavailable as error:
        told = error.reason
    os.write(into, told.encode())
    os._exit(0)
os.waitpid(child, 0)
print(json.dumps([there, os.read(out, 4096).decode()]))
"""
CAPS = Caps(
    vendor="NVIDIA", name="NVIDIA H100", driver="580.1", platform="NVIDIA CUDA", platform_version="OpenCL 3.0 CUDA 13",
    version="OpenCL 3.0 CUDA", kind="gpu", c_version=(1, 2), extensions=frozenset({"cl_khr_fp64"}), fma=True,
    fp16=False, dot=("ptx",), mma=True, subgroups=False, alignment_bytes=512, address_bits=64, unified_memory=False,
    compute_units=132, max_work_group=1024, max_work_items=(1024, 1024, 64), local_memory_bytes=48 << 10,
    max_alloc_bytes=16 << 30, memory_bytes=80 << 30,
)  # fmt: skip


def here(*caps: Caps, broken: int = -1) -> list[Found]:
    return [Found(i, None, one, "has no compiler" if i == broken else "") for i, one in enumerate(caps)]


MALI = replace(CAPS, vendor="Arm", name="Mali-G610", platform="ARM Platform")
POCL = replace(CAPS, vendor="PoCL", name="cpu-znver4", platform="Portable Computing Language", kind="cpu")
OCLGRIND = replace(POCL, vendor="Oclgrind", name="Oclgrind Simulator", platform="Oclgrind")
ALL = here(CAPS, CAPS, MALI, POCL, OCLGRIND)


@pytest.mark.parametrize(
    "wanted, index",
    [
        ("", 0), ("0", 0), ("2", 2), ("gpu", 0), ("gpu:2", 2), ("cpu", 3), ("NVIDIA", 0), ("nvidia:1", 1), ("mali", 2),
        ("arm/mali", 2), ("Portable/cpu", 3), ("pocl", 3), ("nvidia/h100:1", 1), (" 1 ", 1), ("oclgrind", 4),
    ],
)  # fmt: skip
def test_a_device_is_named_by_its_place_its_kind_or_a_part_of_its_names(wanted: str, index: int) -> None:
    assert find(wanted, ALL).index == index


@pytest.mark.parametrize("wanted", ["5", "amd", "gpu:3", "arm/h100", "/", "-1", ":", "nvidia/"])
def test_what_is_not_there_is_refused_with_what_is(wanted: str) -> None:
    with pytest.raises(Unavailable, match=r"no device .*opencl:0 \(NVIDIA, NVIDIA H100\).*opencl:3 \(PoCL, cpu-znver4"):
        find(wanted, ALL)


def test_a_device_that_cannot_be_used_is_passed_over_unless_it_is_all_there_is() -> None:
    assert find("", here(CAPS, POCL, broken=0)).index == 1
    assert find("nvidia", here(CAPS, CAPS, broken=0)).index == 1
    for wanted in ("", "0", "nvidia"):
        with pytest.raises(Unavailable, match="NVIDIA H100.* has no compiler"):
            find(wanted, here(CAPS, broken=0))


def test_a_simulator_is_never_taken_unasked_and_says_what_it_is() -> None:
    with pytest.raises(Unavailable, match="only a simulator here, which must be asked for"):
        find("", here(OCLGRIND))
    device = device_of(find("oclgrind", ALL))
    assert device.emulated
    assert "simulates" in device.description
    assert not device_of(ALL[3]).emulated


def test_facts_tell_the_driver_and_the_problem() -> None:
    told = facts(here(CAPS, broken=0)[0], "ready")
    assert told.link == "OpenCL 3.0, driver 580.1"
    assert told.problem is not None
    assert "has no compiler" in told.problem.reason


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_driver(tmp_path_factory.mktemp("driver") / "libnvidia-opencl.so.1")


@pytest.fixture
def listed(driver: Path) -> Callable[..., Any]:
    """What a process lists to which a driver with these devices is registered."""

    def ask(devices: str, **environment: str) -> Any:
        return in_child(LIST, {"OPENCL_DRIVER": devices, "OCL_ICD_VENDORS": str(driver), **environment})

    return ask


def test_gpus_come_before_accelerators_and_those_before_cpus(opencl: TestDevice, listed: Callable[..., Any]) -> None:
    devices = "X;2,Arm,little,1;8,Xilinx,card,1;4,Vivante Corporation,GC7000L,1;4,Arm,off,0"
    assert listed(devices)[:4] == [
        ["Vivante", "GC7000L", "gpu", ""],
        ["Arm", "off", "gpu", "is not available now, says its driver"],
        ["Xilinx", "card", "accelerator", ""],
        ["Arm", "little", "cpu", ""],
    ]


def test_a_driver_that_nobody_registered_is_found_and_others_stay(opencl: TestDevice, driver: Path) -> None:
    environment = {"LD_LIBRARY_PATH": str(driver.parent), "OPENCL_DRIVER": "NVIDIA CUDA;4,NVIDIA,H100,1"}
    vendors = [vendor for vendor, *_ in in_child(LIST, environment)]
    assert vendors[0] == "NVIDIA"
    assert set(vendors) >= {"NVIDIA", *(v for v, *_ in in_child(LIST, environment | {"OPENCL_DRIVER": ""}))}


def test_a_device_that_does_not_answer_hides_no_other(opencl: TestDevice, listed: Callable[..., Any]) -> None:
    assert listed("X;4,NVIDIA,lost,1;4,Arm,Mali,1")[0] == ["Arm", "Mali", "gpu", ""]


def test_where_no_device_answers_the_drivers_are_named(opencl: TestDevice, driver: Path, tmp_path: Path) -> None:
    (tmp_path / "only.icd").write_text(f"{driver}\n")
    environment = {"OPENCL_DRIVER": "X;4,NVIDIA,lost,1", "OCL_ICD_VENDORS": str(tmp_path / "only.icd")}
    told = in_child(LIST, environment)
    assert told == "the OpenCL drivers (X) do not say what their devices can do; reinstall them"


def test_after_a_fork_the_child_is_told_so_instead_of_waiting_for_threads_of_its_parent(opencl: TestDevice) -> None:
    told = in_child(FORKED, {})
    assert told[0]
    assert told[1].startswith("OpenCL was used in this process's parent before it forked")


def test_a_driver_without_devices_is_named(opencl: TestDevice, listed: Callable[..., Any]) -> None:
    assert listed("NVIDIA CUDA").startswith("OpenCL drivers are here (NVIDIA CUDA), and none of them finds a device")


def test_without_a_driver_the_error_says_where_it_was_told_to_look_and_how_to_get_one(
    opencl: TestDevice, tmp_path: Path
) -> None:
    told = in_child(LIST, {"OCL_ICD_VENDORS": str(tmp_path / "none.icd")})
    assert told.startswith(f"OpenCL finds no driver: OCL_ICD_VENDORS={tmp_path}/none.icd names none")
    assert all(driver.install in told for driver in drivers.DRIVERS)


def test_what_the_user_told_the_loader_is_left_alone(tmp_path: Path, driver: Path) -> None:
    for variable in drivers.LOADER_VARIABLES:
        with drivers.registering([], [driver.parent], {variable: str(tmp_path)}) as added:
            assert added == []
    with drivers.registering([], [driver.parent], {}) as added:
        assert added == [driver]


def test_a_registered_driver_is_not_registered_again(tmp_path: Path, driver: Path) -> None:
    (tmp_path / "nvidia.icd").write_text("libnvidia-opencl.so.1\n")
    (tmp_path / "empty.icd").write_text("")
    (tmp_path / "moved.icd").write_text("/opt/placeholder/lib/libintelocl.so\n")
    assert drivers.registered([tmp_path, tmp_path / "none"]) == ["libnvidia-opencl.so.1"]
    with drivers.registering([tmp_path], [driver.parent], {}) as added:
        assert added == []


def test_without_pyopencl_the_error_is_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    with pytest.raises(Unavailable, match=r"pip install 'subgraft\[opencl\]'") as caught:
        library.pyopencl()
    assert isinstance(caught.value.__cause__, ImportError)


def test_the_library_in_this_process_comes_first_and_a_variable_replaces_all(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text("7f00-7f01 r-xp 0 08:01 1  /x y/libc.so.6\n7f02-7f03 r-xp 0 08:01 2   /opt/libOpenCL-55.so.1.0\n")
    assert library.libraries({}, maps) == ["/opt/libOpenCL-55.so.1.0", *library.NAMES]
    assert library.libraries({}, tmp_path / "none") == list(library.NAMES)
    assert library.libraries({library.VARIABLE: "/my/lib.so"}, maps) == ["/my/lib.so"]


def test_the_library_of_pyopencl_comes_before_what_others_have_loaded(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    other, ours = "/usr/lib/libOpenCL.so.1", "/venv/pyopencl/.libs/libOpenCL-55.so.1.0"
    maps.write_text("".join(f"7f0{n}-7f0{n + 1} r-xp 0 08:01 1   {file}\n" for n, file in enumerate((other, ours))))
    assert library.libraries({}, maps)[:2] == [ours, other]


@pytest.mark.parametrize(
    "platform, platform_vendor, device_vendor, vendor",
    [
        ("NVIDIA CUDA", "NVIDIA Corporation", "NVIDIA Corporation", "NVIDIA"),
        ("Portable Computing Language", "The pocl project", "GenuineIntel", "PoCL"),
        ("Oclgrind", "University of Bristol", "University of Bristol", "Oclgrind"),
        ("ARM Platform", "ARM", "ARM", "Arm"),
        ("QUALCOMM Snapdragon(TM)", "QUALCOMM", "QUALCOMM", "Qualcomm"),
        ("Vivante OpenCL Platform", "Vivante Corporation", "Vivante Corporation", "Vivante"),
        ("AMD Accelerated Parallel Processing", "Advanced Micro Devices, Inc.", "Advanced Micro Devices, Inc.", "AMD"),
        ("Intel(R) OpenCL Graphics", "Intel(R) Corporation", "Intel(R) Corporation", "Intel"),
        ("Charm", "Charming chips", "Charming chips", "Charming chips"),
    ],
)
def test_a_vendor_has_one_name_however_its_driver_spells_it(
    platform: str, platform_vendor: str, device_vendor: str, vendor: str
) -> None:
    assert vendor_of(platform, platform_vendor, device_vendor) == vendor


def test_the_version_of_opencl_c_is_read_and_one_that_cannot_be_is_the_oldest() -> None:
    assert c_version_of("OpenCL C 1.2 PoCL") == (1, 2)
    assert c_version_of("CL C") == (1, 0)


def test_small_limits_are_never_larger_than_the_devices() -> None:
    shrunk = small(CAPS)
    assert (shrunk.max_work_group, shrunk.address_bits, shrunk.fma, shrunk.alignment_bytes) == (32, 32, False, 128)
    assert shrunk.hidden
    assert shrunk.candidates() == ("f32", "int")
    assert shrunk.local_memory_bytes <= CAPS.local_memory_bytes
    assert shrunk.identity != CAPS.identity
    assert CAPS.candidates() == ("mma", "dot_ptx", "f32", "int")
    assert replace(CAPS, kind="cpu").candidates() == ("f32", "mma", "dot_ptx", "int")


def test_the_device_here_has_plausible_properties(opencl: TestDevice) -> None:
    caps = opencl.found.caps
    assert caps.version.startswith("OpenCL ")
    assert caps.c_version >= (1, 1)
    assert caps.max_work_group >= 1
    assert caps.memory_bytes >= caps.local_memory_bytes > 0
    assert caps.address_bits in (32, 64)
