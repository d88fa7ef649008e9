"""The first file system of the virtual machine: a shell, the modules of the kernel that it needs, one script."""

from __future__ import annotations

import gzip
import lzma
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

MODULES = ("virtio_pci", "9p", "9pnet_virtio", "virtio_console", "xhci_pci")
COMMANDS = ("sh", "mount", "mkdir", "insmod", "chroot", "poweroff", "cat", "echo", "sleep", "env", "stty")
DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")
TRAILER = "TRAILER!!!"


def write(path: Path, busybox: Path, kernel_modules: Path, init: str) -> None:
    """kernel_modules: lib/modules/<version> of a kernel package."""
    files: list[tuple[str, int, bytes]] = []
    for folder in ("bin", "modules", "proc", "sys", "dev", "root"):
        files.append((folder, stat.S_IFDIR | 0o755, b""))
    files.append(("bin/busybox", stat.S_IFREG | 0o755, busybox.read_bytes()))
    files += [(f"bin/{name}", stat.S_IFLNK | 0o777, b"busybox") for name in COMMANDS]
    loaded = []
    for number, (name, content) in enumerate(_in_order(kernel_modules, MODULES)):
        loaded.append(f"/modules/{number:02}-{name}.ko")
        files.append((loaded[-1].lstrip("/"), stat.S_IFREG | 0o644, content))
    script = init.replace("@MODULES@", " ".join(loaded))
    files.append(("init", stat.S_IFREG | 0o755, script.encode()))
    files.append((TRAILER, 0, b""))
    path.write_bytes(gzip.compress(b"".join(_archived(files)), 1))


def _in_order(folder: Path, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The modules and what they need, each after what it needs. What is not there is built into the kernel."""
    there = {_name(path): path for path in folder.rglob("*.ko*")}
    done: set[str] = set()

    def visit(name: str) -> Iterator[tuple[str, bytes]]:
        if name in done or name not in there:
            return
        done.add(name)
        content = _content(there[name])
        match = DEPENDS.search(content)
        for needed in (match[1].decode() if match else "").split(","):
            yield from visit(needed.replace("-", "_"))
        yield name, content

    for name in wanted:
        yield from visit(name)


def _name(path: Path) -> str:
    return path.name.partition(".ko")[0].replace("-", "_")


def _content(path: Path) -> bytes:
    return lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()


def _archived(files: Iterable[tuple[str, int, bytes]]) -> Iterator[bytes]:
    """cpio's "newc" format, see the kernel's Documentation/driver-api/early-userspace/buffer-format.rst"""
    for number, (name, mode, content) in enumerate(files, start=1):
        encoded = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(encoded), 0)
        yield _padded(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded)
        yield _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
