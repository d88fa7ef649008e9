"""CONV_3D and CONV_3D_TRANSPOSE."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from op_cases import Case, In, c, const, fed, out, x
from op_cases_conv import ACTIVATIONS

Triple = Sequence[int]
ONES = (1, 1, 1)


def options(padding: Any = "SAME", stride: Triple = ONES, dilation: Triple = ONES, activation: Any = "NONE") -> Any:
    return {
        "padding": padding,
        **{f"stride_{axis}": n for axis, n in zip("dhw", stride, strict=True)},
        **{f"dilation_{axis}_factor": n for axis, n in zip("dhw", dilation, strict=True)},
        "fused_activation_function": activation,
    }


def label_of(**more: Any) -> str:
    return "_".join(f"{k}{v}" for k, v in more.items()).replace(" ", "")


def conv(image: Triple, weights: Triple, *, biased: bool = True, seed: int = 0, **more: Any) -> Case:
    """image: [batch, d, h, w, in]; weights: [d, h, w, in, out]."""
    inputs = [x(*image), c(*weights), *([c(weights[4])] if biased else [])]
    return Case("CONV_3D", inputs, [out()], options(**more), seed=seed, label=f"{label_of(**more)}_{seed}")


def transposed(
    image: Triple,
    weights: Triple,
    *,
    more: Triple = (0, 0, 0),
    biased: bool = True,
    feed: bool = False,
    seed: int = 0,
    **how: Any,
) -> Case:
    """weights: [d, h, w, out, in]. more: rows beyond the smallest output that a convolution turns into the image."""
    extents = [(n - 1) * step + 1 for n, step in zip(weights[:3], how.get("dilation", ONES), strict=True)]
    valid = how.get("padding", "SAME") == "VALID"
    strides = how.get("stride", ONES)
    sizes = [
        (n - 1) * step + (extent if valid else 1) + extra
        for n, step, extent, extra in zip(image[1:4], strides, extents, more, strict=True)
    ]
    shape = [image[0], *sizes, weights[3]]
    given: list[In] = [fed(shape, "int32") if feed else const(shape), c(*weights), x(*image)]
    given += [c(weights[3])] if biased else []
    label = f"{label_of(**how)}_more{more}{'_fed' if feed else ''}_{seed}".replace(" ", "")
    return Case("CONV_3D_TRANSPOSE", given, [out()], options(**how), seed=seed, label=label)


HOW: list[dict[str, Any]] = [
    dict(padding=padding, stride=stride, dilation=dilation)
    for padding in ("SAME", "VALID")
    for stride, dilation in [(ONES, ONES), ((1, 2, 3), ONES), (ONES, (2, 1, 2)), ((2, 2, 1), (1, 2, 1))]
]
PLAIN = [
    *(conv((2, 5, 6, 5, 3), (2, 3, 2, 3, 4), **how) for how in HOW),
    *(conv((1, 3, 3, 3, 2), (2, 2, 2, 2, 3), activation=a) for a in ACTIVATIONS),
    conv((1, 3, 3, 3, 2), (2, 2, 2, 2, 3), biased=False),
    conv((1, 3, 3, 3, 2), (1, 1, 1, 2, 70)),
    conv((1, 2, 2, 2, 2), (5, 4, 3, 2, 3)),  # the window is larger than the image
    conv((0, 3, 3, 3, 2), (2, 2, 2, 2, 3)),
    conv((1, 1, 1, 1, 1), (1, 1, 1, 1, 1)),
    Case("CONV_3D", [x(1, 3, 3, 3, 2), x(2, 2, 2, 2, 3), x(3)], [out()], options(), label="weights_that_are_fed"),
]
TRANSPOSED = [
    *(transposed((2, 3, 2, 3, 3), (2, 3, 2, 4, 3), **how) for how in HOW),
    *(transposed((1, 2, 2, 2, 2), (2, 2, 2, 3, 2), activation=a, stride=(2, 2, 2)) for a in ACTIVATIONS),
    transposed((1, 2, 2, 2, 2), (2, 2, 2, 3, 2), stride=(2, 2, 2), more=(1, 1, 0)),
    transposed((1, 2, 2, 2, 2), (2, 2, 2, 3, 2), stride=(3, 2, 2), more=(2, 1, 1), padding="VALID"),
    transposed((1, 2, 2, 2, 2), (2, 2, 2, 3, 2), biased=False),
    transposed((1, 2, 2, 2, 2), (2, 2, 2, 3, 2), feed=True, stride=(2, 1, 2)),
    transposed((1, 2, 2, 2, 2), (1, 1, 1, 70, 2), stride=(2, 2, 2)),
    transposed((0, 2, 2, 2, 2), (2, 2, 2, 3, 2)),
]


def refused(error: str, image: Triple = (1, 3, 3, 3, 2), weights: Triple = (2, 2, 2, 2, 3), **more: Any) -> Case:
    given = [x(*image, dtype=more.get("dtype", "float32")), c(*weights), c(more.get("bias", 3))]
    chosen = options() | more.get("options", {})
    return Case("CONV_3D", given, [out(more.get("dtype", "float32"))], chosen, error=error, label=error[:30])


def refused_transposed(
    error: str, shape: Triple = (1, 3, 3, 3, 4), image: Triple = (1, 3, 3, 3, 2), weights: Triple = (2, 2, 2, 4, 2),
    **more: Any
) -> Case:  # fmt: skip
    given = [const(shape, more.get("shape_dtype", "int32")), c(*weights), x(*image), c(more.get("bias", 4))]
    chosen = options() | more.get("options", {})
    return Case("CONV_3D_TRANSPOSE", given, [out()], chosen, error=error, label=error[:30])


REFUSED = [
    refused("must have rank 5", (1, 3, 3, 2)),
    refused("must have rank 5", weights=(2, 2, 2, 3)),
    refused("2 channels but the weights have 3", weights=(2, 2, 2, 3, 3)),
    refused("stride is 0", options={"stride_d": 0}),
    refused("stride is -1", options={"stride_w": -1}),
    refused("dilation is 0", options={"dilation_h_factor": 0}),
    refused("padding 5", options={"padding": 5}),
    refused("4 values for 3 channels", bias=4),
    refused("shape .1, 0, 3, 3, 2.", (1, 0, 3, 3, 2)),
    refused("shape .2, 2, 2, 2, 0.", weights=(2, 2, 2, 2, 0)),
    refused("is int8", dtype="int8"),
    refused("filter spans 9", weights=(9, 2, 2, 2, 3), options={"padding": "VALID"}),
    refused_transposed("must have rank 5", image=(1, 3, 3, 2)),
    refused_transposed("must be .5.", (1, 3, 3, 4)),
    refused_transposed("must be int32", shape_dtype="int64"),
    refused_transposed("negative", (1, -3, 3, 3, 4)),
    refused_transposed("2 batches", (2, 3, 3, 3, 4)),
    refused_transposed("output has 5 channels", (1, 3, 3, 3, 5)),
    refused_transposed("2 channels but the weights have 3", weights=(2, 2, 2, 4, 3)),
    refused_transposed("belongs to an input of .1, 5, 3, 3, 2.", (1, 5, 3, 3, 4)),
    refused_transposed("stride is 0", options={"stride_h": 0}),
    refused_transposed("has size 0", (1, 0, 3, 3, 4)),
]


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)

    def numbers(high: int) -> list[int]:
        return [int(n) for n in rng.integers(1, high, 3)]

    image, weights, stride, dilation = numbers(5), numbers(4), numbers(4), numbers(3)
    ins, outs = (int(n) for n in rng.integers(1, 8, 2))
    how: dict[str, Any] = dict(padding=str(rng.choice(["SAME", "VALID"])), stride=stride, dilation=dilation, seed=seed)
    if seed % 2:
        more = [int(rng.integers(0, n)) for n in stride]
        return transposed([1, *image, ins], [*weights, outs, ins], more=more, feed=seed % 8 == 1, **how)
    image = [n + (w - 1) * d for n, w, d in zip(image, weights, dilation, strict=True)]
    return conv([2, *image, ins], [*weights, ins, outs], **how)


CASES = [*PLAIN, *TRANSPOSED, *REFUSED]
MORE = [random_case(seed) for seed in range(80)]
