"""The firmware image: where it is kept, and the places it comes from.

It is a binary of Google's (Apache-2.0) that subgraft does not contain. A device that has it needs none from here.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from subgraft.backends.edgetpu.errors import NoFirmware
from subgraft.backends.edgetpu.settings import Settings


@dataclass(frozen=True, slots=True)
class Image:
    """What is known of an image without having it.

    descriptor_at: the place of DESCRIPTOR in it, by which it is found within a library.
    """

    name: str
    size_bytes: int
    sha256: str
    descriptor_at: int


SINGLE_ENDPOINT = Image(
    "apex_latest_single_ep.bin",
    10_783,
    "3b07311b174b81fd14fd2c887f40d646c0ebf2f140cc5ee5cf8befa0f3e3dc7f",
    0x18AB,
)
# The device descriptor of a running device at high speed: USB 2.10, 64 bytes, 18d1:9302, version 1.00.
DESCRIPTOR = bytes.fromhex("12 01 10 02 00 00 00 40 d1 18 02 93 00 01 00 00 00 01")
URL = "https://github.com/google-coral/libedgetpu/raw/master/driver/usb/apex_latest_single_ep.bin"

LIBRARY_FOLDERS = ("usr/lib/*-linux-*", "usr/lib", "usr/lib64", "lib/*-linux-*", "usr/local/lib", "opt/*/lib")
LIBRARY_NAMES = ("libedgetpu*.so*", "libedgetpu*.dylib")
PLACEHOLDER = b"This is no firmware: an emulated device takes any image.\n" * 190  # about as long as the real one
MOST_LIBRARY_BYTES = 64 << 20  # libedgetpu has about 1 MB
MOST_IMAGE_BYTES = 1 << 20
BLOCK_BYTES = 16 << 10
CONNECT_TIMEOUT_S = 10.0  # also between two parts of the answer
DOWNLOAD_TIMEOUT_S = 120.0

Tell = Callable[[int, int], None]  # bytes so far, and of how many (0: unknown)


class WrongImage(NoFirmware):
    """What was found is not the image that was looked for."""


@dataclass(frozen=True, slots=True)
class Obtained:
    """An image that is now kept at `path`.

    source: where it came from, for people.
    """

    path: Path
    sha256: str
    size_bytes: int
    source: str


def known_sha256() -> str:
    """Of the image that subgraft uses unless told otherwise."""
    return SINGLE_ENDPOINT.sha256


def kept_at(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the image is kept, or would be."""
    data = environment.get("XDG_DATA_HOME", "")
    home = (
        Path(data) if Path(data).is_absolute() else Path(environment.get("HOME") or "~").expanduser() / ".local/share"
    )
    return home / "subgraft" / "edgetpu" / SINGLE_ENDPOINT.name


def for_device(settings: Settings, environment: Mapping[str, str] = os.environ) -> bytes:
    """The image to load: the one that the user named, else the one kept. Raises NoFirmware, WrongImage."""
    path = Path(settings.firmware) if settings.firmware else kept_at(environment)
    wanted = settings.firmware_sha256 or SINGLE_ENDPOINT.sha256
    try:
        return checked(path.read_bytes(), str(path), wanted)
    except OSError as error:
        if settings.firmware:
            raise NoFirmware(f"cannot read the firmware {path}: {error.strerror}; see the option 'firmware'") from error
        raise NoFirmware(
            f"the Edge TPU waits for its firmware, and there is none at {path}; get it with 'subgraft firmware'"
        ) from error


def for_emulated_device(settings: Settings, environment: Mapping[str, str] = os.environ) -> bytes:
    """As for_device(); without one a text that only emulated devices take."""
    try:
        return for_device(settings, environment)
    except NoFirmware:
        if settings.firmware:
            raise
        return PLACEHOLDER


def checked(image: bytes, source: str, sha256: str = SINGLE_ENDPOINT.sha256) -> bytes:
    """The image, if it is the one with this hash. Raises WrongImage."""
    found = hashlib.sha256(image).hexdigest()
    if found == sha256:
        return image
    raise WrongImage(
        f"{source} is not the firmware that is wanted: {len(image)} bytes with sha256 {found}, and not {sha256}; "
        "for an image of your own give its sha256 along"
    )


def from_bytes(data: bytes, source: str, sha256: str = SINGLE_ENDPOINT.sha256) -> bytes:
    """The image that `data` is, or that is somewhere within, as in libedgetpu's library. Raises WrongImage."""
    found = within(data, SINGLE_ENDPOINT) if sha256 == SINGLE_ENDPOINT.sha256 else None
    return found or checked(data, source, sha256)


def within(library: bytes, image: Image) -> bytes | None:
    """The image inside a library, or None."""
    at = library.find(DESCRIPTOR)
    while at >= 0:
        start = at - image.descriptor_at
        candidate = library[max(start, 0) : start + image.size_bytes]
        if hashlib.sha256(candidate).hexdigest() == image.sha256:
            return candidate
        at = library.find(DESCRIPTOR, at + 1)
    return None


def libraries(environment: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Every installed libedgetpu, each once."""
    named = [Path(folder) for folder in environment.get("LD_LIBRARY_PATH", "").split(":") if folder]
    usual = [folder for pattern in LIBRARY_FOLDERS for folder in sorted(Path("/").glob(pattern))]
    seen = set()
    for folder in (*named, *usual):
        for path in sorted(found.resolve() for name in LIBRARY_NAMES for found in folder.glob(name)):
            if path not in seen and path.is_file():
                seen.add(path)
                yield path


def from_libraries(environment: Mapping[str, str] = os.environ) -> tuple[bytes, Path] | None:
    """The image of the first installed libedgetpu that has it."""
    for path in libraries(environment):
        try:
            image = within(_read(path), SINGLE_ENDPOINT)
        except OSError:
            continue  # not readable by this user: the next may be
        if image:
            return image, path
    return None


def from_file(path: Path, sha256: str = SINGLE_ENDPOINT.sha256) -> bytes:
    """The image in a file, which may be a libedgetpu. Raises OSError, WrongImage."""
    return from_bytes(_read(path), str(path), sha256)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_LIBRARY_BYTES)


def download(url: str, tell: Tell, sha256: str = SINGLE_ENDPOINT.sha256, timeout_s: float = CONNECT_TIMEOUT_S) -> bytes:
    """The image behind an http or https address. Raises NoFirmware with the cause, WrongImage."""
    if not url.lower().startswith(("http://", "https://")):
        raise NoFirmware(f"{url!r} is no address to download from: it has to begin with https:// or http://")
    try:
        return checked(_fetched(url, tell, timeout_s), url, sha256)
    except urllib.error.HTTPError as error:
        raise NoFirmware(f"{url} does not give the firmware: {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        reason = error.reason
        raise NoFirmware(f"cannot download the firmware from {url}: {reason}; {ELSEWHERE}") from (
            reason if isinstance(reason, BaseException) else error
        )
    except TimeoutError as error:
        raise NoFirmware(f"{url} does not answer in time; {ELSEWHERE}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NoFirmware(f"cannot download the firmware from {url}: {error!r}; {ELSEWHERE}") from error


ELSEWHERE = "without a network, fetch it elsewhere and name it with --file"


def _fetched(url: str, tell: Tell, timeout_s: float) -> bytes:
    until = time.monotonic() + DOWNLOAD_TIMEOUT_S
    with urllib.request.urlopen(url, timeout=timeout_s) as answer:
        announced = int(answer.headers.get("Content-Length") or 0)
        data = bytearray()
        while block := answer.read1(BLOCK_BYTES):
            data += block
            tell(len(data), announced)
            if len(data) > MOST_IMAGE_BYTES:
                raise WrongImage(f"{url} is not the firmware: it has more than {MOST_IMAGE_BYTES} bytes")
            if time.monotonic() > until:
                raise TimeoutError(f"only {len(data)} bytes within {DOWNLOAD_TIMEOUT_S:g} s")
    if len(data) < announced:
        raise NoFirmware(f"{url} broke off after {len(data)} of {announced} bytes; try again")
    return bytes(data)


def keep(image: bytes, source: str, environment: Mapping[str, str] = os.environ) -> Obtained:
    """Writes the image where for_device() finds it; a reader sees the old one or all of the new. Raises OSError."""
    path = kept_at(environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    number, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(image)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return Obtained(path, hashlib.sha256(image).hexdigest(), len(image), source)


def kept(sha256: str = SINGLE_ENDPOINT.sha256, environment: Mapping[str, str] = os.environ) -> Obtained | None:
    """The image that is kept here, if it is a good one."""
    path = kept_at(environment)
    try:
        image = checked(path.read_bytes(), str(path), sha256)
    except (OSError, WrongImage):
        return None
    return Obtained(path, sha256, len(image), "kept here already")
