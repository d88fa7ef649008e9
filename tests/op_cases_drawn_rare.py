"""Drawn cases of ops that few models have: sound, random choices, MediaPipe's, recurrent steps."""

from __future__ import annotations

from op_cases import Case, x
from op_cases_audio import bank, mfcc, spectrogram
from op_cases_mediapipe import VALID, Pair, unpool
from op_cases_mediapipe_warps import MATRICES_TO_WARP, custom, matrix_of, warp, warped
from op_cases_numeric_verify import verify
from op_cases_random import sample
from op_cases_rnn import Rnn
from op_draws import Draw, drawn

SAME = 1  # TfLitePadding


def spectrum(draw: Draw) -> Case:
    samples, window = draw.number(2, 900), draw.number(2, 400)
    return spectrogram((max(samples, window), draw.number(1, 4)), window, draw.number(1, 300), draw.chance(0.5))


def coefficients(draw: Draw) -> Case:
    rate, channels = draw.pick((8000, 16000, 22050, 44100)), draw.number(1, 60)
    lower = draw.pick((0, 20, 300))
    limits = bank(lower, draw.number(lower + 500, rate // 2), channels, draw.number(1, channels))
    return mfcc((draw.number(1, 3), draw.number(1, 5), draw.number(9, 300)), rate, **limits)


def choices(draw: Draw) -> Case:
    seeds = (draw.number(-(2**31), 2**31), draw.number(1, 2**31))
    return sample(x(draw.number(1, 5), draw.number(1, 40)), draw.number(0, 30), seeds)


def spread(draw: Draw) -> Case:
    shape = (draw.number(1, 3), draw.number(1, 6), draw.number(1, 6), draw.number(1, 20))
    stride: Pair = (draw.number(1, 4), draw.number(1, 4))
    window: Pair = (draw.number(1, 4), draw.number(1, 4))
    return unpool(shape, stride, window, draw.pick((SAME, VALID)), seed=draw.number(0, 10**6))


def compared(draw: Draw) -> Case:
    shape, dtype = draw.shape(empty=0.1), draw.pick(("int8", "uint8", "int16", "float16"))
    return verify(x(*shape, **draw.quantized(dtype, 1e-5, 10.0)), x(*shape), runs=2)


def place(draw: Draw) -> object:
    return matrix_of(draw.rng.uniform(-3, 3), draw.scale(0.2, 2.0), tuple(draw.rng.uniform(-3, 8, 2)))


def turned(draw: Draw) -> Case:
    """TransformTensor, which version 1 of TransformTensorBilinear is also called."""
    shape, size = (1, draw.number(1, 12), draw.number(1, 12), draw.number(0, 9)), (draw.number(1, 9), draw.number(1, 9))
    matrix = draw.pick(MATRICES_TO_WARP) if draw.chance(0.2) else place(draw)
    options = {"output_size": list(size)}
    return custom("TransformTensor", [x(*shape), matrix], options, 1, warped(*size, False))


def turned_bilinear(draw: Draw) -> Case:
    shape, size = (1, draw.number(1, 12), draw.number(1, 12), draw.number(0, 9)), (draw.number(1, 9), draw.number(1, 9))
    return warp(place(draw), shape, size, draw.pick((1, 2)))


def step(draw: Draw) -> Case:
    kind = draw.pick(("float", "float", "hybrid"))
    sizes = {"batch": draw.number(1, 4), "depth": draw.number(1, 5), "units": draw.number(1, 9)}
    return Rnn("RNN", kind, activation=draw.number(0, 5), asymmetric=draw.chance(0.5), **sizes).case()


CASES = [
    *drawn("AudioSpectrogram", spectrum),
    *drawn("Mfcc", coefficients),
    *drawn("MULTINOMIAL", choices),
    *drawn("MaxUnpooling2D", spread),
    *drawn("NumericVerify", compared),
    *drawn("TransformTensor", turned),
    *drawn("TransformTensorBilinear", turned_bilinear),
    *drawn("RNN", step),
]
