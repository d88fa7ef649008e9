"""OpenCL drivers (ICDs): where they lie, and how the loader is told of those that nobody registered."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("subgraft")

# What makes a loader look elsewhere: ocl-icd and Khronos' own, in this order of age.
LOADER_VARIABLES = ("OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH", "OCL_ICD_FILENAMES")
REGISTER = "OCL_ICD_VENDORS"  # understood by both loaders when it names a folder

VENDOR_FOLDERS = ("/etc/OpenCL/vendors",)  # of the loader in pyopencl's wheels; others may have been built for others
LIBRARY_FOLDERS = (
    "/usr/local/nvidia/lib64",  # where Kubernetes' device plugin mounts the driver
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/arm-linux-gnueabihf",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
    "/run/opengl-driver/lib",  # NixOS
    "/opt/rocm/lib",
    "/opt/rocm/opencl/lib",
    "/opt/amdgpu-pro/lib/x86_64-linux-gnu",
    "/vendor/lib64",  # Android, and containers on it
    "/vendor/lib64/egl",
    "/system/vendor/lib64",
    "/system/vendor/lib64/egl",
    "{prefix}/lib",  # a virtual environment or conda
)


@dataclass(frozen=True, slots=True)
class Driver:
    """A vendor's driver.

    files: names of its library, the usual one first. install: how a user gets it, in one line.
    """

    vendor: str
    files: tuple[str, ...]
    install: str


DRIVERS = (
    Driver(
        "NVIDIA",
        ("libnvidia-opencl.so.1",),
        "it comes with the driver (Debian: apt install nvidia-opencl-icd); in Docker add "
        "-e NVIDIA_DRIVER_CAPABILITIES=compute,utility --gpus all",
    ),
    Driver("AMD", ("libamdocl64.so",), "apt install rocm-opencl-runtime (AMD's repository) or mesa-opencl-icd"),
    Driver(
        "Intel GPU",
        ("intel-opencl/libigdrcl.so", "libigdrcl.so"),
        "apt install intel-opencl-icd, and be in the group 'render'",
    ),
    Driver("Intel CPU", ("libintelocl.so",), "pip install intel-opencl-rt"),
    Driver(
        "Arm Mali",
        ("libmali.so.1", "libmali.so", "libGLES_mali.so"),
        "the board maker's libmali, in a build that has OpenCL",
    ),
    Driver("Qualcomm Adreno", ("libOpenCL_adreno.so.1", "libOpenCL_adreno.so"), "the board maker's Adreno package"),
    Driver("Vivante", ("libVivanteOpenCL.so",), "NXP's package imx-gpu-viv, in the Linux of the board"),
    Driver("PoCL (CPU)", ("libpocl.so.2",), "pip install 'subgraft[pocl]' or apt install pocl-opencl-icd"),
)


def places(prefix: str = sys.prefix, environment: Mapping[str, str] = os.environ) -> list[Path]:
    """The folders in which drivers are looked for; LD_LIBRARY_PATH comes first."""
    listed = [folder for folder in environment.get("LD_LIBRARY_PATH", "").split(":") if folder.startswith("/")]
    folders = [*listed, *(folder.format(prefix=prefix) for folder in LIBRARY_FOLDERS)]
    return [Path(folder) for folder in dict.fromkeys(folders)]


def vendor_folders() -> list[Path]:
    """Where drivers are registered, one file a driver."""
    return [Path(folder) for folder in VENDOR_FOLDERS]


def registered(folders: Sequence[Path]) -> list[str]:
    """The libraries that .icd files name, but for paths that lead nowhere."""
    found: list[str] = []
    for folder in folders:
        for file in sorted(folder.glob("*.icd")):
            try:
                lines = file.read_text(errors="replace").split("\n")
            except OSError:
                continue  # not for this user, so not for the loader
            found.append(lines[0].strip())
    return [library for library in dict.fromkeys(found) if library and _may_be_there(library)]


def _may_be_there(library: str) -> bool:
    """A bare name is for the dynamic linker to find."""
    return not library.startswith("/") or Path(library).exists()


def unregistered(folders: Sequence[Path], known: Sequence[str]) -> list[Path]:
    """Drivers that are there and that no .icd file names; one library a vendor."""
    names = {Path(library).name for library in known}
    found: list[Path] = []
    for driver in DRIVERS:
        if names.intersection(Path(file).name for file in driver.files):
            continue
        there = (folder / file for file in driver.files for folder in folders)
        found += [path for path in there if path.is_file()][:1]
    return found


@contextmanager
def registering(
    vendors: Sequence[Path], folders: Sequence[Path], environment: Mapping[str, str] = os.environ
) -> Iterator[list[Path]]:
    """While this lasts, a loader that looks for drivers the first time finds the unregistered ones too.

    Gives those. Leaves everything as it is where the user has told the loader where to look.
    """
    known = registered(vendors)
    extra = [] if told(environment) else unregistered(folders, known)
    try:
        place = tempfile.TemporaryDirectory(prefix="subgraft-icd-") if extra else None
    except OSError as error:  # nothing can be written here
        log.info("OpenCL's loader is not told of %s: %s", ", ".join(map(str, extra)), error)
        place = None
    if place is None:
        yield []
        return
    with place as folder:
        for number, library in enumerate([*known, *map(str, extra)]):
            Path(folder, f"{number:02d}.icd").write_text(f"{library}\n")
        os.environ[REGISTER] = folder
        try:
            yield extra
        finally:
            os.environ.pop(REGISTER, None)


def told(environment: Mapping[str, str] = os.environ) -> str:
    """The variable with which the user has told the loader where to look, "NAME=value"; "" where there is none."""
    return next((f"{name}={environment[name]}" for name in LOADER_VARIABLES if environment.get(name)), "")


def advice() -> str:
    """For each vendor how to get its driver, a line each."""
    width = max(len(driver.vendor) for driver in DRIVERS)
    return "\n".join(f"  {driver.vendor:<{width}}  {driver.install}" for driver in DRIVERS)
