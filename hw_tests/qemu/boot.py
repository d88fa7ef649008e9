"""Runs a command on a stock Debian kernel whose USB controller has the emulated Coral plugged in.

    python hw_tests/qemu/boot.py [--speed high] [--model M --compiled C]... -- pytest hw_tests --device edgetpu:usb:0

The machine is QEMU without hardware acceleration; its files are this machine's, read-only, so the command is what it
is here. Needs qemu-system-x86_64 and, once, a Debian mirror: the kernel and busybox are downloaded by apt-get and
kept in ~/.cache/subgraft.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import initramfs

from subgraft.backends.edgetpu.emulator.daemon import REENUMERATE_S
from subgraft.backends.edgetpu.emulator.device import EmulatedCoral
from subgraft.backends.edgetpu.emulator.remote import ControlSocket, Remote
from subgraft.backends.edgetpu.emulator.teaching import teach
from subgraft.backends.edgetpu.emulator.usbredir import Redirection
from subgraft.interpreter.services import main_graphs

QEMU = "qemu-system-x86_64"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "subgraft" / "qemu"
KERNEL, BUSYBOX = "linux-image-amd64", "busybox-static"
MEMORY_MB = 1536
CONTROL_PORT = "subgraft.control"
TIMEOUT_S = 170.0
EXIT_CODE = re.compile(r"^subgraft-exit-code (\d+)\s*$", re.MULTILINE)

INIT = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for module in @MODULES@; do insmod $module; done
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro root /root
mount -t proc proc /root/proc; mount -t sysfs sysfs /root/sys; mount -t devtmpfs dev /root/dev
mkdir -p /root/dev/shm; mount -t tmpfs tmp /root/dev/shm; mount -t tmpfs tmp /root/run
chroot /root /bin/sh -c @COMMAND@
echo "subgraft-exit-code $?"
poweroff -f
"""


def main() -> int:
    args = arguments()
    if shutil.which(QEMU) is None:
        print(f"{QEMU} is not installed; on Debian: apt install qemu-system-x86", file=sys.stderr)
        return 1
    kernel, modules, busybox = downloaded()
    coral = EmulatedCoral(args.mode, args.speed, reenumerate_s=REENUMERATE_S)
    teach([coral], main_graphs(args.model), main_graphs(args.compiled))
    with tempfile.TemporaryDirectory(prefix="coral-") as name:
        folder = Path(name)
        initramfs.write(folder / "initramfs", busybox, modules, INIT.replace("@COMMAND@", shlex.quote(script(args))))
        redirection = Redirection(coral, folder / "usb")
        control = ControlSocket(folder / "control", Remote([coral]))
        try:
            return run(machine(folder, kernel))
        finally:
            control.close()
            redirection.close()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", choices=("super", "high"), default="super")
    parser.add_argument("--mode", choices=("dfu", "app"), default="dfu")
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--compiled", action="append", default=[])
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def downloaded() -> tuple[Path, Path, Path]:
    """The kernel, its modules' folder and busybox, from Debian's packages."""
    CACHE.mkdir(parents=True, exist_ok=True)
    depends = subprocess.run(["apt-cache", "depends", KERNEL], capture_output=True, text=True, check=True).stdout
    package = re.findall(r"Depends: (linux-image-\S+)", depends)[0]
    for each in (package, BUSYBOX):
        target = CACHE / each
        if not target.exists():
            unpack(each, target)
    return (
        next((CACHE / package / "boot").glob("vmlinuz-*")),
        next((CACHE / package).glob("**/lib/modules/*")),
        next((CACHE / BUSYBOX).glob("**/bin/busybox")),
    )


def unpack(package: str, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        folder = Path(name)
        folder.chmod(0o755)
        print(f"downloading {package}", file=sys.stderr)
        subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, stdout=sys.stderr)
        subprocess.run(["dpkg", "-x", next(folder.glob("*.deb")), folder / "files"], check=True)
        (folder / "files").rename(target)


def script(args: argparse.Namespace) -> str:
    """What the machine's shell runs: the command, in this folder and with this search path."""
    variables = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": "/dev/shm",
        "TMPDIR": "/dev/shm",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TERM": "dumb",
        **{name: value for name, value in os.environ.items() if name.startswith(("SUBGRAFT_", "USB_", "PYTEST_"))},
    }
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
    folder, command = shlex.quote(str(Path.cwd())), shlex.join(args.command)
    return f"cd {folder} && {exports} SUBGRAFT_EMULATOR=$(echo /dev/vport*) {command}"


def machine(folder: Path, kernel: Path) -> list[str]:
    return [
        *(QEMU, "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MB), "-nodefaults", "-no-reboot"),
        *("-display", "none", "-serial", "stdio", "-monitor", "none"),
        *("-kernel", str(kernel), "-initrd", str(folder / "initramfs")),
        *("-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on"),
        *("-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"),
        *("-device", "virtio-9p-pci,fsdev=root,mount_tag=root"),
        *("-device", "virtio-serial-pci", "-chardev", f"socket,id=control,path={folder / 'control'}"),
        *("-device", f"virtserialport,chardev=control,name={CONTROL_PORT}"),
        *("-device", "qemu-xhci,id=xhci", "-chardev", f"socket,id=coral,path={folder / 'usb'}"),
        *("-device", "usb-redir,chardev=coral,bus=xhci.0"),
    ]


def run(command: list[str]) -> int:
    """Shows what the machine prints. The command's exit code there; 1 when the machine ended otherwise."""
    started = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace")
    timer = threading.Timer(TIMEOUT_S, child.kill)
    timer.start()
    code = None
    assert child.stdout is not None
    for line in child.stdout:
        print(line, end="", flush=True)
        code = EXIT_CODE.match(line) or code
    child.wait()
    timer.cancel()
    print(f"the machine ran for {time.monotonic() - started:.0f} s", file=sys.stderr)
    return int(code[1]) if code else 1


if __name__ == "__main__":
    sys.exit(main())
