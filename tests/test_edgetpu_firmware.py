"""The firmware is found, taken or downloaded, checked, and kept in one piece; everything else is a clear error."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from subgraft.backends.edgetpu import firmware
from subgraft.backends.edgetpu.errors import NoFirmware
from subgraft.backends.edgetpu.firmware import Image, WrongImage
from subgraft.backends.edgetpu.settings import Settings
from subgraft.cli import main
from subgraft.cli.exit_codes import ExitCode

DESCRIPTOR_AT = 100
IMAGE = bytes(range(100)) + firmware.DESCRIPTOR + bytes(i * 7 % 256 for i in range(5000))
SHA256 = hashlib.sha256(IMAGE).hexdigest()
KNOWN = Image("apex_latest_single_ep.bin", len(IMAGE), SHA256, DESCRIPTOR_AT)
LIBRARY = b"\x7fELF" + firmware.DESCRIPTOR + b"no image" + IMAGE + b"the rest" * 1000


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without firmware, on a machine without libedgetpu."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(firmware, "LIBRARY_FOLDERS", ())
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    return tmp_path


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's image in the place of the real one, which is not in this repository."""
    monkeypatch.setattr(firmware, "SINGLE_ENDPOINT", KNOWN)


class Answers(BaseHTTPRequestHandler):
    """Serves what its path asks for."""

    released = threading.Event()

    def do_GET(self) -> None:
        getattr(self, self.path.strip("/"))()

    def good(self) -> None:
        self._send(IMAGE, len(IMAGE))

    def other(self) -> None:
        self._send(IMAGE[:-1] + b"?", len(IMAGE))

    def truncated(self) -> None:
        self._send(IMAGE[:1000], len(IMAGE))

    def page(self) -> None:
        self._send(b"<html>please log in</html>", None)

    def missing(self) -> None:
        self.send_error(404)

    def endless(self) -> None:
        self._send(b"x" * (firmware.MOST_IMAGE_BYTES + firmware.BLOCK_BYTES), None)

    def silent(self) -> None:
        self.released.wait(20)

    def junk(self) -> None:
        self.wfile.write(b"this is no HTTP\r\n\r\n")

    def _send(self, body: bytes, length: int | None) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Answers.released.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        Answers.released.set()
        serving.shutdown()
        thread.join()


def quiet(done: int, of: int) -> None:
    """Nobody watches the download."""


def test_the_image_is_found_inside_a_library(known: None) -> None:
    assert firmware.within(LIBRARY, KNOWN) == IMAGE
    assert firmware.within(LIBRARY.replace(IMAGE, IMAGE[:-1] + b"?"), KNOWN) is None
    assert firmware.within(IMAGE[DESCRIPTOR_AT:], KNOWN) is None
    assert firmware.within(b"", KNOWN) is None


def test_an_installed_library_is_looked_into(known: None, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert firmware.from_libraries() is None
    folder = home / "lib[x]"
    folder.mkdir()
    (folder / "libedgetpu.so.1.0").write_bytes(LIBRARY)
    (folder / "libedgetpu.so.1").symlink_to("libedgetpu.so.1.0")
    (folder / "libedgetpu-other.so").write_bytes(b"nothing in here")
    monkeypatch.setenv("LD_LIBRARY_PATH", f":{folder}:/nowhere")
    assert len(list(firmware.libraries())) == 2
    assert firmware.from_libraries() == (IMAGE, folder / "libedgetpu.so.1.0")


def test_an_image_is_kept_in_one_piece_and_found_again(known: None) -> None:
    with pytest.raises(NoFirmware, match="subgraft firmware"):
        firmware.for_device(Settings())
    kept = firmware.keep(IMAGE, "a test")
    assert firmware.for_device(Settings()) == IMAGE
    assert [path.name for path in kept.path.parent.iterdir()] == [kept.path.name]
    kept.path.write_bytes(IMAGE[:-1])
    assert firmware.kept(SHA256) is None
    with pytest.raises(WrongImage):
        firmware.for_device(Settings())


def test_an_image_of_the_users_own_needs_its_hash(home: Path) -> None:
    own = home / "own.bin"
    own.write_bytes(b"my own")
    with pytest.raises(WrongImage, match=hashlib.sha256(b"my own").hexdigest()):
        firmware.for_device(Settings(firmware=str(own)))
    named = Settings(firmware=str(own), firmware_sha256=hashlib.sha256(b"my own").hexdigest())
    assert firmware.for_device(named) == b"my own"
    with pytest.raises(NoFirmware, match="cannot read"):
        firmware.for_device(Settings(firmware=str(home / "none.bin")))


def test_an_emulated_device_takes_a_text_in_the_place_of_firmware(home: Path) -> None:
    assert firmware.for_emulated_device(Settings()).startswith(b"This is no firmware")
    with pytest.raises(NoFirmware):
        firmware.for_emulated_device(Settings(firmware=str(home / "none.bin")))


def test_a_download_is_told_of_and_checked(known: None, server: str) -> None:
    told: list[tuple[int, int]] = []
    assert firmware.download(f"{server}/good", lambda done, of: told.append((done, of)), SHA256) == IMAGE
    assert told[-1] == (len(IMAGE), len(IMAGE))


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("other", WrongImage, "is not the firmware that is wanted"),
        ("truncated", NoFirmware, f"broke off after 1000 of {len(IMAGE)} bytes"),
        ("page", WrongImage, "26 bytes with sha256"),
        ("missing", NoFirmware, "404 Not Found"),
        ("endless", WrongImage, "more than"),
        ("junk", NoFirmware, "cannot download"),
        ("silent", NoFirmware, "--file"),
    ],
)
def test_a_download_that_goes_wrong_is_an_error_that_says_how(
    known: None, server: str, path: str, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        firmware.download(f"{server}/{path}", quiet, SHA256, timeout_s=0.2)
    assert firmware.kept(SHA256) is None


@pytest.mark.parametrize("url", ["file:///etc/passwd", "apex.bin", "ftp://host/apex.bin"])
def test_only_the_web_is_downloaded_from(url: str) -> None:
    with pytest.raises(NoFirmware, match="no address to download from"):
        firmware.download(url, quiet)


def test_nobody_there_is_an_error_that_names_the_way_out() -> None:
    with pytest.raises(NoFirmware, match="--file"):
        firmware.download("http://127.0.0.1:9/image", quiet, timeout_s=1)


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return document


def test_the_command_downloads_once_and_then_has_it(
    known: None, server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware, "URL", f"{server}/good")
    assert main(["firmware", "--json"]) == ExitCode.OK
    assert printed(capsys)["source"] == f"downloaded from {server}/good"
    monkeypatch.setattr(firmware, "URL", f"{server}/missing")
    assert main(["firmware", "--json"]) == ExitCode.OK
    assert printed(capsys)["source"] == "kept here already"
    assert main(["firmware"]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert SHA256 in shown and max(map(len, shown.splitlines()[1:])) <= 100


def test_the_command_prefers_an_installed_library_to_a_download(
    known: None, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "libedgetpu.so.1").write_bytes(LIBRARY)
    monkeypatch.setenv("LD_LIBRARY_PATH", str(home))
    assert main(["firmware", "--offline", "--json"]) == ExitCode.OK
    assert str(printed(capsys)["source"]).startswith("from the library ")


def test_the_command_takes_a_file_that_is_or_contains_the_image(
    known: None, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for content in (IMAGE, LIBRARY):
        (home / "given").write_bytes(content)
        assert main(["firmware", "--file", str(home / "given"), "--json"]) == ExitCode.OK
        assert Path(str(printed(capsys)["path"])).read_bytes() == IMAGE


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--offline"], ExitCode.NOT_FOUND),
        (["--file", "{home}/none"], ExitCode.USAGE),
        (["--file", __file__], ExitCode.CHECK_FAILED),
        (["--url", "{server}/missing"], ExitCode.NOT_FOUND),
        (["--url", "{server}/other"], ExitCode.CHECK_FAILED),
        (["--url", "{server}/good", "--offline"], ExitCode.USAGE),
    ],
)
def test_the_command_ends_with_the_code_of_the_cause(
    known: None, home: Path, server: str, arguments: list[str], code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [argument.format(home=home, server=server) for argument in arguments]
    assert main(["firmware", "--json", *filled]) == code
    assert printed(capsys)["exit_code"] == code


def test_a_server_that_says_nothing_ends_with_the_code_for_that(
    server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = firmware.download
    monkeypatch.setattr(firmware, "download", lambda url, tell, sha256: real(url, tell, sha256, timeout_s=0.1))
    assert main(["firmware", "--url", f"{server}/silent"]) == ExitCode.TIMEOUT
    assert "--file" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(known: None, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "data").write_text("in the way")
    (home / "given").write_bytes(IMAGE)
    assert main(["firmware", "--file", str(home / "given")]) == ExitCode.USAGE
    assert str(home / "data") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("terminal", "variables", "drawn"), [(True, {}, True), (True, {"CI": "1"}, False), (False, {}, False)]
)
def test_a_bar_is_drawn_for_somebody_who_watches(
    known: None,
    server: str,
    terminal: bool,
    variables: dict[str, str],
    drawn: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    assert main(["firmware", "--url", f"{server}/good"]) == ExitCode.OK
    assert ("###" in capsys.readouterr().err) == drawn


def test_what_is_no_sha256_is_refused_before_anything_is_fetched(home, capsys) -> None:
    assert main(["firmware", "--sha256", "junk", "--url", "http://127.0.0.1:1/never"]) == ExitCode.USAGE
    assert "'junk' is no sha256: that is 64 hexadecimal digits" in capsys.readouterr().err
