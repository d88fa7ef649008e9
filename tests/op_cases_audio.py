"""AudioSpectrogram and Mfcc."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from op_cases import Case, In, Shape, c, const, fed, out, x


def spectrogram(shape: Shape, window: int = 16, stride: int = 8, squared: bool = True, **more: Any) -> Case:
    options = {"window_size": window, "stride": stride, "magnitude_squared": squared}
    given = more.pop("input", None) or x(*shape)
    settings = {"custom_options": bytes(flexbuffers.Dumps(options)), "tolerance": 1e-6}
    label = f"{window}-{stride}{'-squared' if squared else ''}" + more.pop("label", "")
    return Case("AudioSpectrogram", [given], [out()], is_custom=True, label=label, **(settings | more))


def mfcc(shape: Shape, rate: int = 16000, *, make: Any = const, **more: Any) -> Case:
    options: Mapping[str, Any] = {
        "upper_frequency_limit": 4000,
        "lower_frequency_limit": 20,
        "filterbank_channel_count": 40,
        "dct_coefficient_count": 13,
    } | more.pop("options", {})
    given: In = more.pop("input", None) or x(*shape, low=0, high=5)
    rated = more.pop("rated", None) or make([rate], "int32")
    settings = {"custom_options": bytes(flexbuffers.Dumps(options)), "tolerance": 1e-5}
    label = "-".join(map(str, (rate, *options.values()))) + more.pop("label", "")
    return Case("Mfcc", [given, rated], [out()], is_custom=True, label=label, **(settings | more))


def bank(lower: float, upper: float, channels: int, coefficients: int) -> dict[str, dict[str, float]]:
    return {
        "options": {
            "upper_frequency_limit": upper,
            "lower_frequency_limit": lower,
            "filterbank_channel_count": channels,
            "dct_coefficient_count": coefficients,
        }
    }


DRAWN = (
    (512, 1, 256, 128, True),
    (700, 3, 200, 77, False),
    (1000, 2, 1000, 1, True),
    (90, 4, 31, 29, False),
    (2048, 1, 1024, 512, True),
    (33, 7, 8, 3, True),
    (300, 1, 129, 300, False),
    (1, 5, 2, 2, True),
)  # samples, channels, window, stride, squared

CASES = [
    *(spectrogram((100, 1), w, s) for w, s in ((16, 8), (2, 1), (3, 5), (17, 4), (32, 32), (64, 100), (100, 1))),
    *(spectrogram((60, n), squared=q) for n in (1, 2, 5) for q in (False, True)),
    *(spectrogram((n, 2)) for n in (16, 17, 23, 24)),
    *(spectrogram((n, c_), w, s, q, seed=w) for n, c_, w, s, q in DRAWN),
    spectrogram((3, 60, 1), error="shape"),
    spectrogram((400, 1), 400, 160),
    spectrogram((1600, 1), 480, 320, squared=False),
    spectrogram((), input=c(40, 2), label="folded"),
    spectrogram((), input=x(64, 1, low=-1e10, high=1e10), label="large"),
    spectrogram((), input=fed([[0.0]] * 32), label="silence"),
    spectrogram((), input=x(40, 1, dtype="int16"), error="int16"),
    spectrogram((100, 1), 1, 1, error="window of 1 "),
    spectrogram((100, 1), 0, 1, error="window of 0 "),
    spectrogram((100, 1), -5, 1, error="window of -5 "),
    spectrogram((100, 1), 1 << 40, 1, error="window"),
    spectrogram((100, 1), 16, 0, error="stride of 0 "),
    spectrogram((100, 1), 16, -1, error="stride of -1 "),
    spectrogram((100, 1), 16, 1 << 33, error="stride"),
    spectrogram((100, 1), custom_options=b"\x00", error="AudioSpectrogram"),
    *(mfcc((1, 3, n)) for n in (129, 257, 513, 65)),
    *(mfcc(shape) for shape in ((2, 4, 257), (3, 1, 257), (0, 2, 257), (1, 0, 257))),
    mfcc((0, 2, 1 << 30), expected=lambda _: [np.zeros((0, 2, 13), np.float32)], why="BUILTIN_REF makes 2^30 filters"),
    *(mfcc((1, 2, 257), rate) for rate in (8000, 22050, 44100, 48000, 1)),
    *(
        mfcc((1, 2, 257), **bank(*b))
        for b in ((20, 4000, 40, 40), (0, 8000, 20, 1), (300, 3400, 8, 8), (20, 4000, 1, 1))
    ),
    *(mfcc((1, 2, 33), **bank(*b)) for b in ((20, 4000, 40, 13), (0, 7999, 80, 20), (3000, 3100, 5, 2))),
    mfcc((1, 2, 257), **bank(20, 9000, 40, 13), label="above_half_the_rate"),
    mfcc((1, 2, 2)),
    mfcc((1, 2, 257), make=fed, runs=2),
    mfcc((1, 2, 257), rated=const(16000)),
    mfcc((), input=c(1, 2, 129, low=0, high=3), label="folded"),
    mfcc((), input=fed([[[0.0] * 129]]), label="silence"),
    mfcc((), input=x(1, 2, 129, low=0, high=1e20), label="large"),
    mfcc((2, 257), error="shape"),
    mfcc((1, 2, 1), error="shape"),
    mfcc((1, 2, 257), 0, error="rate is 0"),
    mfcc((1, 2, 257), -16000, error="rate is -16000"),
    mfcc((1, 2, 257), rated=const([1, 2]), error="rate has shape"),
    mfcc((1, 2, 257), rated=const([16000.0], "float32"), error="float32"),
    mfcc((), input=x(1, 2, 257, dtype="int32"), error="int32"),
    mfcc((1, 2, 257), **bank(4000, 20, 40, 13), error="limits"),
    mfcc((1, 2, 257), **bank(-1, 20, 40, 13), error="limits"),
    mfcc((1, 2, 257), **bank(20, 4000, 0, 0), error="0 filter bank channels"),
    mfcc((1, 2, 257), **bank(20, 4000, 10, 11), error="11 coefficients of 10"),
    mfcc((1, 2, 257), **bank(20, 4000, 10, 0), error="0 coefficients"),
    mfcc((1, 2, 257), **bank(20, 4000, 1 << 40, 5), error="channels"),
    mfcc((1, 2, 257), **bank(1e18, 1.1e18, 40, 13), label="far_above"),
]
