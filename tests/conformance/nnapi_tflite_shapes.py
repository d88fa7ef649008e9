"""Operations that move elements without computing."""

from __future__ import annotations

from collections.abc import Sequence

from nnapi_cases import Operand
from nnapi_draft import Draft
from nnapi_mapping import Build, Given, Mapped
from nnapi_tflite_windows import finished, image, target

MIRROR_MODES = ("REFLECT", "SYMMETRIC")


def moved(op: str, *names: str) -> Mapped:
    """Tensors in by these names, one tensor out, no options."""

    def build(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
        return [draft.op(op, [draft.put(given[name]) for name in names], draft.output(outputs[0]))]

    return Mapped(op, build)


def blocks(op: str) -> Build:
    """SPACE_TO_DEPTH and DEPTH_TO_SPACE."""

    def build(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
        x, _ = image(draft, given)
        written = target(draft, given, outputs[0])
        draft.op(op, (x,), written, block_size=given["block"].scalar)
        return [finished(draft, given, written, outputs[0])]

    return build


def batches(op: str) -> Build:
    """SPACE_TO_BATCH_ND, and BATCH_TO_SPACE_ND, which NNAPI lets crop nothing."""

    def build(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
        x, _ = image(draft, given)
        written = target(draft, given, outputs[0])
        pads = draft.put(given["pads"]) if "pads" in given else draft.constant([(0, 0), (0, 0)])
        draft.op(op, (x, draft.put(given["block"]), pads), written)
        return [finished(draft, given, written, outputs[0])]

    return build


def concatenation(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """NNAPI's inputs may have scales of their own; TFLite's int8 op wants one for all."""
    output = draft.output(outputs[0])
    wanted = draft.tensors[output].quantization
    inputs = [draft.requantized(draft.put(o), wanted) for name, o in given.items() if name != "axis"]
    axis = given["axis"].scalar
    return [draft.op("CONCATENATION", inputs, output, axis=axis, fused_activation_function="NONE")]


def pack(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    inputs = [draft.put(o) for name, o in given.items() if name != "axis"]
    axis = given["axis"].scalar
    return [draft.op("PACK", inputs, draft.output(outputs[0]), values_count=len(inputs), axis=axis)]


def split(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    written = [draft.output(o) for o in outputs]
    inputs = (draft.constant(given["axis"].scalar), draft.put(given["x"]))
    draft.op("SPLIT", inputs, written, num_splits=given["count"].scalar)
    return written


def expand_dims(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    inputs = (draft.put(given["x"]), draft.constant(given["axis"].scalar))
    return [draft.op("EXPAND_DIMS", inputs, draft.output(outputs[0]))]


def gather(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    inputs = (draft.put(given["x"]), draft.put(given["indices"]))
    return [draft.op("GATHER", inputs, draft.output(outputs[0]), axis=given["axis"].scalar)]


def mirror_pad(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    inputs = (draft.put(given["x"]), draft.put(given["pads"]))
    return [draft.op("MIRROR_PAD", inputs, draft.output(outputs[0]), mode=MIRROR_MODES[given["mode"].scalar])]


def pad_with(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """The value of quantized data is one of its own steps."""
    x = draft.put(given["x"])
    value = draft.constant(given["value"].scalar, given["x"].dtype, like=x)
    return [draft.op("PADV2", (x, draft.put(given["pads"]), value), draft.output(outputs[0]))]


def reshape(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    return [draft.op("RESHAPE", (draft.put(given["x"]), draft.put(given["shape"])), draft.output(outputs[0]))]


def squeeze(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """NNAPI gives [1] where every dimension goes, TFLite a scalar."""
    axes, x = given["axes"].values if "axes" in given else (), draft.put(given["x"])
    if not axes and set(given["x"].dims) == {1}:
        return [draft.reshaped(x, (1,), into=draft.output(outputs[0]))]
    return [draft.op("SQUEEZE", (x,), draft.output(outputs[0]), squeeze_dims=tuple(axes))]


def strided_slice(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """NNAPI gives [1] where every dimension is dropped, TFLite a scalar."""
    inputs = [draft.put(given[name]) for name in ("x", "begin", "end", "strides")]
    masks = {
        "begin_mask": given["begin_mask"].scalar,
        "end_mask": given["end_mask"].scalar,
        "shrink_axis_mask": given["shrink_mask"].scalar,
    }
    output, rank = draft.output(outputs[0]), len(given["x"].dims)
    if masks["shrink_axis_mask"] & ((1 << rank) - 1) != (1 << rank) - 1:
        return [draft.op("STRIDED_SLICE", inputs, output, **masks)]
    return [draft.reshaped(draft.op("STRIDED_SLICE", inputs, draft.like(output), **masks), (1,), into=output)]


def transpose(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """Without an order NNAPI reverses the dimensions."""
    x, rank = draft.put(given["x"]), len(given["x"].dims)
    is_given = "perm" in given and not given["perm"].is_absent
    order = draft.put(given["perm"]) if is_given else draft.constant(range(rank)[::-1])
    return [draft.op("TRANSPOSE", (x, order), draft.output(outputs[0]))]


def fill(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    value = draft.constant(given["value"].scalar, given["value"].dtype)
    return [draft.op("FILL", (draft.put(given["shape"]), value), draft.output(outputs[0]))]


_BUILT: dict[str, tuple[str, Build]] = {
    "BATCH_TO_SPACE_ND": ("BATCH_TO_SPACE_ND", batches("BATCH_TO_SPACE_ND")),
    "CONCATENATION": ("CONCATENATION", concatenation),
    "DEPTH_TO_SPACE": ("DEPTH_TO_SPACE", blocks("DEPTH_TO_SPACE")),
    "EXPAND_DIMS": ("EXPAND_DIMS", expand_dims),
    "FILL": ("FILL", fill),
    "GATHER": ("GATHER", gather),
    "MIRROR_PAD": ("MIRROR_PAD", mirror_pad),
    "PACK": ("PACK", pack),
    "PAD_V2": ("PADV2", pad_with),
    "RESHAPE": ("RESHAPE", reshape),
    "SPACE_TO_BATCH_ND": ("SPACE_TO_BATCH_ND", batches("SPACE_TO_BATCH_ND")),
    "SPACE_TO_DEPTH": ("SPACE_TO_DEPTH", blocks("SPACE_TO_DEPTH")),
    "SPLIT": ("SPLIT", split),
    "SQUEEZE": ("SQUEEZE", squeeze),
    "STRIDED_SLICE": ("STRIDED_SLICE", strided_slice),
    "TRANSPOSE": ("TRANSPOSE", transpose),
}

MAPPING: dict[str, Mapped] = {
    "PAD": moved("PAD", "x", "pads"),
    "RANK": moved("RANK", "x"),
    "REVERSE": moved("REVERSE_V2", "x", "axis"),
    "SLICE": moved("SLICE", "x", "begin", "size"),
    "TILE": moved("TILE", "x", "multiples"),
    **{name: Mapped(op, build) for name, (op, build) in _BUILT.items()},
}
