"""Operations with a window that slides over an image: convolutions, pools, resizing.

NNAPI's explicit paddings become SAME or VALID where they are equal to these, and else a PAD in front. NCHW becomes
TRANSPOSEs around the op. uint8 data under a per-channel filter, which TFLite lacks, becomes int8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnapi_cases import Operand
from nnapi_deviations import AVERAGE_OF_PADDED, Deviation
from nnapi_draft import FLIPPED, Draft, Inexpressible, flip
from nnapi_mapping import Build, Given, Mapped
from nnapi_operations import ACTIVATIONS, PADDINGS

TO_NHWC, TO_NCHW = (0, 2, 3, 1), (0, 3, 1, 2)
HEIGHT, WIDTH = 1, 2  # dimensions of an NHWC shape


def image(draft: Draft, given: Given) -> tuple[int, tuple[int, ...]]:
    """The input in NHWC, and its shape."""
    x, dims = draft.put(given["x"]), given["x"].dims
    if not is_nchw(given):
        return x, dims
    return draft.transposed(x, TO_NHWC), tuple(dims[i] for i in TO_NHWC)


def is_nchw(given: Given) -> bool:
    return "nchw" in given and bool(given["nchw"].scalar)


def finished(draft: Draft, given: Given, output: int, operand: Operand) -> int:
    """The NHWC output as the operation lays it out."""
    if not is_nchw(given):
        return output
    return draft.op("TRANSPOSE", (output, draft.constant(TO_NCHW)), draft.output(operand))


def target(draft: Draft, given: Given, operand: Operand) -> int:
    """The tensor that the op writes: the output itself, or one that is still to be transposed."""
    output = draft.output(operand)
    return draft.like(output) if is_nchw(given) else output


def explicit_pads(given: Given) -> tuple[tuple[int, int], tuple[int, int]]:
    """Before and behind, of height and width."""
    top, bottom, left, right = (given[name].scalar for name in ("top", "bottom", "left", "right"))
    return (top, bottom), (left, right)


def same_pads(size: int, window: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """What SAME adds to a dimension."""
    out = -(-size // stride)
    total = max(0, (out - 1) * stride + (window - 1) * dilation + 1 - size)
    return total // 2, total - total // 2


def padding_name(given: Given, sizes: Sequence[int], windows: Sequence[int], dilations: Sequence[int] = (1, 1)) -> str:
    """SAME or VALID; empty where the pads are neither."""
    if "padding" in given:
        return PADDINGS[given["padding"].scalar]
    pads = explicit_pads(given)
    if not np.any(pads):
        return "VALID"
    strides = (given["stride_h"].scalar, given["stride_w"].scalar)
    same = tuple(same_pads(*each) for each in zip(sizes, windows, strides, dilations, strict=True))
    return "SAME" if same == pads else ""


def padded(draft: Draft, x: int, given: Given) -> int:
    """Zeros around the image; the zero point where it is quantized."""
    pads = draft.constant([(0, 0), *explicit_pads(given), (0, 0)])
    return draft.op("PAD", (x, pads), draft.like(x))


def strides(given: Given) -> dict[str, Any]:
    return {"stride_w": given["stride_w"].scalar, "stride_h": given["stride_h"].scalar}


def activation(given: Given) -> dict[str, Any]:
    return {"fused_activation_function": ACTIVATIONS[given["activation"].scalar]}


def bias_scales(given: Given) -> list[float]:
    """NNAPI's per-channel bias has no scales of its own."""
    filter_scales = given["filter"].scales
    return [given["x"].scales[0] * s for s in filter_scales] if len(filter_scales) > 1 else []


def works_flipped(given: Given) -> bool:
    """TFLite has no uint8 under a per-channel filter, and its int8 filters have zero points of 0."""
    if given["filter"].type == "TENSOR_QUANT8_SYMM_PER_CHANNEL":
        return given["x"].dtype == "uint8"
    return given["filter"].dtype == "int8" and given["filter"].zero != 0


def convolved(draft: Draft, given: Given, output: Operand, op: str, inputs: Sequence[int], **options: Any) -> int:
    """The convolution `op`, its 8-bit data as int8 instead of uint8 or the other way round where it must."""
    written = target(draft, given, output)
    if works_flipped(given):
        dtype = draft.tensors[written].dtype
        inputs = [draft.flipped(t) if draft.tensors[t].dtype == dtype else t for t in inputs]
        inner = draft.temporary(FLIPPED[dtype], flip(draft.quantization(written), dtype))
        draft.requantized(draft.op(op, inputs, inner, **options), None, into=written)
    else:
        draft.op(op, inputs, written, **options)
    return finished(draft, given, written, output)


def convolution(op: str) -> Build:
    """CONV_2D, grouped or not, and DEPTHWISE_CONV_2D."""

    def build(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
        x, dims = image(draft, given)
        dilations = [given[name].scalar if name in given else 1 for name in ("dilation_h", "dilation_w")]
        windows = given["filter"].dims[1:3]
        padding = padding_name(given, (dims[HEIGHT], dims[WIDTH]), windows, dilations)
        x = x if padding else padded(draft, x, given)
        options = {"padding": padding or "VALID", **strides(given), **activation(given)}
        options |= {"dilation_h_factor": dilations[0], "dilation_w_factor": dilations[1]}
        if "multiplier" in given:
            options["depth_multiplier"] = given["multiplier"].scalar
        inputs = (x, draft.put(given["filter"]), draft.put(given["bias"], scales=bias_scales(given)))
        return [convolved(draft, given, outputs[0], op, inputs, **options)]

    return build


def transpose_convolution(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """With explicit pads the shape follows from them; pads that are not SAME's are cut off a VALID result."""
    x, dims = image(draft, given)
    filter_dims, batch = given["filter"].dims, dims[0]
    sizes, windows = (dims[HEIGHT], dims[WIDTH]), filter_dims[1:3]
    steps = (given["stride_h"].scalar, given["stride_w"].scalar)
    full = [(size - 1) * step + window for size, step, window in zip(sizes, steps, windows, strict=True)]
    cut = False
    if "shape" in given:
        padding, shape = PADDINGS[given["padding"].scalar], tuple(given["shape"].array.tolist())
        if is_nchw(given):
            shape = tuple(shape[i] for i in TO_NHWC)
    else:
        pads = explicit_pads(given)
        inner = [size - before - behind for size, (before, behind) in zip(full, pads, strict=True)]
        same = tuple(same_pads(*each) for each in zip(inner, windows, steps, strict=True))
        padding = "VALID" if not np.any(pads) else "SAME" if same == pads else ""
        cut = not padding
        height, width = full if cut else inner
        shape = (batch, height, width, filter_dims[0])
    bias = draft.put(given["bias"], scales=bias_scales(given))
    inputs = (draft.constant(shape), draft.put(given["filter"]), x, bias)
    options = {"padding": padding or "VALID", **strides(given), **activation(given)}
    if not cut:
        return [convolved(draft, given, outputs[0], "TRANSPOSE_CONV", inputs, **options)]
    whole = replace(outputs[0], dims=())
    uncut = convolved(draft, given, whole, "TRANSPOSE_CONV", inputs, **options)
    (top, _), (left, _) = pads
    place, dims = ((0, 0, top, left) if is_nchw(given) else (0, top, left, 0)), outputs[0].dims
    return [draft.op("SLICE", (uncut, draft.constant(place), draft.constant(dims)), draft.output(outputs[0]))]


def pool(op: str, inexpressible: Deviation | None = None) -> Build:
    def build(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
        x, dims = image(draft, given)
        windows = (given["filter_h"].scalar, given["filter_w"].scalar)
        padding = padding_name(given, (dims[HEIGHT], dims[WIDTH]), windows)
        if not padding and inexpressible:
            raise Inexpressible(inexpressible)
        if not padding:
            pads = draft.constant([(0, 0), *explicit_pads(given), (0, 0)])
            x = draft.op("PADV2", (x, pads, lowest(draft, x)), draft.like(x))
        written = target(draft, given, outputs[0])
        options = {"padding": padding or "VALID", **strides(given), **activation(given)}
        draft.op(op, (x,), written, filter_height=windows[0], filter_width=windows[1], **options)
        return [finished(draft, given, written, outputs[0])]

    return build


def lowest(draft: Draft, tensor: int) -> int:
    """The least value of a tensor's type, which no maximum takes."""
    dtype = draft.tensors[tensor].dtype
    limits = np.finfo("float32") if dtype == "float32" else np.iinfo(dtype)
    return draft.constant(limits.min, dtype, like=tensor)


def resize(op: str) -> Build:
    def build(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
        x, dims = image(draft, given)
        if "width" in given:
            size = (given["height"].scalar, given["width"].scalar)
        else:
            scales = (given["height_scale"].scalar, given["width_scale"].scalar)
            size = tuple(int(np.float32(dims[d]) * np.float32(s)) for d, s in zip((HEIGHT, WIDTH), scales, strict=True))
        options = {n: bool(given[n].scalar) for n in ("align_corners", "half_pixel_centers") if n in given}
        written = target(draft, given, outputs[0])
        draft.op(op, (x, draft.constant(size)), written, **options)
        return [finished(draft, given, written, outputs[0])]

    return build


MAPPING: dict[str, Mapped] = {
    "AVERAGE_POOL_2D": Mapped("AVERAGE_POOL_2D", pool("AVERAGE_POOL_2D", AVERAGE_OF_PADDED)),
    "CONV_2D": Mapped("CONV_2D", convolution("CONV_2D")),
    "DEPTHWISE_CONV_2D": Mapped("DEPTHWISE_CONV_2D", convolution("DEPTHWISE_CONV_2D")),
    "GROUPED_CONV_2D": Mapped("CONV_2D", convolution("CONV_2D")),
    "L2_POOL_2D": Mapped("L2_POOL_2D", pool("L2_POOL_2D", AVERAGE_OF_PADDED)),
    "MAX_POOL_2D": Mapped("MAX_POOL_2D", pool("MAX_POOL_2D")),
    "RESIZE_BILINEAR": Mapped("RESIZE_BILINEAR", resize("RESIZE_BILINEAR")),
    "RESIZE_NEAREST_NEIGHBOR": Mapped("RESIZE_NEAREST_NEIGHBOR", resize("RESIZE_NEAREST_NEIGHBOR")),
    "TRANSPOSE_CONV_2D": Mapped("TRANSPOSE_CONV", transpose_convolution),
}
