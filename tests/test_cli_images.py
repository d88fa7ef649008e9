"""Pictures become input tensors as the user, the model's metadata or else the tensor's type say."""

from __future__ import annotations

import builtins
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared_models import MODELS, needs_shared
from subgraft.cli import images, metadata
from subgraft.cli.exit_codes import MissingDependency, UsageError
from subgraft.cli.metadata import Normalization
from subgraft.delegates import Quantization, Tensor

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

MINUS_ONE_TO_ONE = Quantization((1 / 127.5,), (-1,))
ZERO_TO_ONE = Quantization((1 / 255,), (-128,))


def picture(height: int = 4, width: int = 6) -> Any:
    values = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3) * 3
    return Image.fromarray(values)


def image_tensor(dtype: str, quantization: Quantization | None = None, shape: tuple[int, ...] = (1, 4, 6, 3)) -> Tensor:
    return Tensor("x", shape, dtype, quantization=quantization)


def test_uint8_takes_the_pixels_even_where_the_metadata_normalise() -> None:
    given = images.encode(picture(), image_tensor("uint8", Quantization((1 / 128,), (128,))), images.SYMMETRIC)
    assert given.dtype == np.uint8
    assert np.array_equal(given[0], np.asarray(picture()))


@pytest.mark.parametrize("quantization", [MINUS_ONE_TO_ONE, ZERO_TO_ONE, None])
def test_int8_takes_the_pixels_less_128(quantization: Quantization | None) -> None:
    given = images.encode(picture(), image_tensor("int8", quantization))
    assert np.array_equal(given[0].astype(int), np.asarray(picture()).astype(int) - 128)


@pytest.mark.parametrize(
    ("normalization", "quantization"),
    [(images.SYMMETRIC, MINUS_ONE_TO_ONE), (Normalization((0.0,), (255.0,)), ZERO_TO_ONE)],
)
def test_int8_by_metadata_is_within_a_step_of_pixels_less_128(
    normalization: Normalization, quantization: Quantization
) -> None:
    tensor = image_tensor("int8", quantization)
    by_metadata = images.encode(picture(), tensor, normalization).astype(int)
    assert np.abs(by_metadata - images.encode(picture(), tensor)).max() <= 1


def test_int8_is_quantized_as_its_metadata_say() -> None:
    tensor = image_tensor("int8", Quantization((0.5,), (3,)))
    given = images.encode(picture(), tensor, Normalization((10.0, 20.0, 30.0), (2.0, 4.0, 8.0)))
    real = (np.asarray(picture()).astype(np.float64) - (10, 20, 30)) / (2, 4, 8)
    assert np.array_equal(given[0], np.clip(np.round(real / 0.5) + 3, -128, 127))


def test_float_takes_minus_one_to_one_unless_told_otherwise() -> None:
    pixels = np.asarray(picture()).astype(np.float32)
    given = images.encode(picture(), image_tensor("float32"))
    assert given.dtype == np.float32
    assert np.array_equal(given[0], (pixels - np.float32(127.5)) / np.float32(127.5))
    known = images.encode(picture(), image_tensor("float32"), Normalization((0.0,), (255.0,)))
    assert np.array_equal(known[0], pixels / np.float32(255))


def test_the_user_overrides_pixels_of_uint8() -> None:
    tensor = image_tensor("uint8", Quantization((2.0,), (7,)))
    given = images.encode(picture(), tensor, Normalization((1.0,), (0.5,)), override=True)
    expected = np.clip(np.round((np.asarray(picture()).astype(np.float64) - 1) / 0.5 / 2) + 7, 0, 255)
    assert np.array_equal(given[0], expected)


def test_normalising_an_integer_without_a_scale_is_refused() -> None:
    with pytest.raises(UsageError, match="without a scale"):
        images.encode(picture(), image_tensor("uint8"), images.SYMMETRIC, override=True)


def test_a_number_per_channel_must_fit_the_channels() -> None:
    with pytest.raises(UsageError, match="2 numbers for 3 channels"):
        images.encode(picture(), image_tensor("float32"), Normalization((1.0, 2.0), (1.0,)))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 8, 9, 3), images.Layout(8, 9, 3)),
        ((8, 9, 4), images.Layout(8, 9, 4)),
        ((1, 3, 8, 9), images.Layout(8, 9, 3, channels_first=True)),
        ((1, 28, 28), images.Layout(28, 28, 1)),
        ((28, 28), images.Layout(28, 28, 1)),
        ((2, 8, 9, 3), None),
        ((1, 8, 9, 7), None),
        ((1, 256), None),
        ((10,), None),
        ((), None),
        ((1, 0, 8, 3), None),
    ],
)
def test_shapes_that_hold_a_picture(shape: tuple[int, ...], expected: images.Layout | None) -> None:
    assert images.layout(image_tensor("float32", shape=shape)) == expected


def test_channels_first_and_grey_inputs_are_filled_in_their_own_order() -> None:
    first = images.encode(picture(), image_tensor("uint8", shape=(1, 3, 4, 6)))
    assert np.array_equal(first[0].transpose(1, 2, 0), np.asarray(picture()))
    grey = images.encode(picture(), image_tensor("uint8", shape=(1, 4, 6)))
    assert np.array_equal(grey[0], np.asarray(picture().convert("L")))


def test_a_picture_is_resized_bilinearly() -> None:
    given = images.encode(picture(40, 60), image_tensor("uint8"))
    assert np.array_equal(given[0], np.asarray(picture(40, 60).resize((6, 4), Image.Resampling.BILINEAR)))


def test_without_pillow_the_message_is_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def blocked(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("PIL"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(MissingDependency, match="pip install pillow"):
        images.pillow()


@pytest.mark.parametrize("content", [b"", b"no picture", b"BM" + bytes(20), b"\x89PNG\r\n\x1a\n" + bytes(30)])
def test_what_is_no_picture_is_a_usage_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot read the picture .*x\.png"):
        images.open_picture(path)


def test_a_class_map_keeps_its_numbers(tmp_path: Path) -> None:
    classes = np.array([[0, 1], [2, 255]])
    images.write_class_map(tmp_path / "map.png", classes, images.palette(256))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "map.png")), classes)


def test_the_palette_is_the_one_of_pascal_voc() -> None:
    assert images.palette(5) == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128)]
    assert len(set(images.palette(256))) == 256


@needs_shared
@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("real/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29", {0: images.SYMMETRIC}),
        ("real/selfie_segmenter", {0: Normalization((0.0,), (255.0,))}),
        ("real/yamnet_audio_classifier_with_metadata", {}),
        ("real/kws_ref_model", {}),
    ],
)
def test_normalisation_is_read_from_real_metadata(file: str, expected: dict[int, Normalization]) -> None:
    assert metadata.normalizations(real_metadata(file)) == expected


@needs_shared
def test_labels_are_read_from_the_model_itself() -> None:
    labels = metadata.packed_labels(MODELS / "real/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite")
    assert labels is not None
    assert (len(labels), labels[0], labels[37]) == (90, "person", "kite")
    assert metadata.packed_labels(MODELS / "real/kws_ref_model.tflite") is None


@needs_shared
def test_damaged_metadata_count_as_absent() -> None:
    name = "real/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29"
    whole = bytes(real_metadata(name)[metadata.METADATA_NAME])
    random = np.random.default_rng(0)
    for cut in range(0, len(whole), 7):
        metadata.normalizations({metadata.METADATA_NAME: whole[:cut]})
    for _ in range(2000):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), 4):
            damaged[place] = random.integers(0, 256)
        metadata.normalizations({metadata.METADATA_NAME: bytes(damaged)})


def test_a_vector_longer_than_the_file_is_not_read() -> None:
    data = bytearray(64)
    struct.pack_into("<I4s", data, 0, 16, metadata.METADATA_IDENTIFIER)
    struct.pack_into("<HHHHHH", data, 32, 12, 8, 0, 0, 0, 4)  # a vtable whose field 3 lies 4 bytes into its table
    struct.pack_into("<iI", data, 16, -16, 4)
    struct.pack_into("<I", data, 24, 0xFFFFFFFF)
    assert metadata.normalizations({metadata.METADATA_NAME: bytes(data)}) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat\ndog\n", ("cat", "dog")),
        ("0  person\n2  car\n", ("person", "", "car")),
        ("7 eleven\n7 up\n", ("7 eleven", "7 up")),
        ("1999999999 x\n", ("1999999999 x",)),
        ("a\n\nb\n\n\n", ("a", "", "b")),
        ("", ()),
    ],
)
def test_labels_by_line_or_by_number(text: str, expected: tuple[str, ...]) -> None:
    assert metadata.parse_labels(text) == expected


def test_a_zip_that_holds_no_single_text_file_has_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "x")
        archive.writestr("b.txt", "y")
    assert metadata.packed_labels(path) is None


def real_metadata(file: str) -> dict[str, bytes]:
    """Read by an independent parser."""
    tflite = pytest.importorskip("tflite", reason="the PyPI package tflite is not installed")
    model = tflite.Model.GetRootAs((MODELS / f"{file}.tflite").read_bytes())
    entries = [model.Metadata(i) for i in range(model.MetadataLength())]
    return {e.Name().decode(): bytes(model.Buffers(e.Buffer()).DataAsNumpy()) for e in entries}
