"""Operations that work along an axis or on matrices: softmax, norms, reductions, products, sorting, lookups.

TFLite's softmax and norms work along the last axis; another one becomes TRANSPOSEs around the op.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnapi_cases import Operand
from nnapi_deviations import LSH_SPARSE_DEPRECATED
from nnapi_draft import Draft, Inexpressible
from nnapi_mapping import Build, Given, Mapped
from nnapi_operations import ACTIVATIONS
from subgraft.delegates.flexbuffer import encode

LSH_TYPES = {2: "DENSE", 3: "SPARSE"}  # 1 is NNAPI's deprecated sparse one


def last_axis_first(rank: int, axis: int) -> tuple[int, ...]:
    """The order that swaps the axis with the last one; its own inverse."""
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return tuple(order)


def along(draft: Draft, x: int, rank: int, axis: int, op: str, output: Operand, **options: Any) -> int:
    """An op for the last axis, along any."""
    written = draft.output(output)
    axis %= rank
    if axis == rank - 1:
        return draft.op(op, (x,), written, **options)
    order = last_axis_first(rank, axis)
    inner = draft.op(op, (draft.transposed(x, order),), draft.like(written), **options)
    return draft.op("TRANSPOSE", (inner, draft.constant(order)), written)


def axis_of(given: Given) -> int:
    return given["axis"].scalar if "axis" in given else -1


def softmax(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    beta, rank = given["beta"].scalar, len(given["x"].dims)
    return [along(draft, draft.put(given["x"]), rank, axis_of(given), "SOFTMAX", outputs[0], beta=beta)]


def log_softmax(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """TFLite's has no beta: a MUL in front."""
    x, beta = draft.put(given["x"]), given["beta"].scalar
    if beta != 1:
        x = draft.op("MUL", (x, draft.constant(beta, "float32")), draft.like(x))
    return [along(draft, x, len(given["x"].dims), axis_of(given), "LOG_SOFTMAX", outputs[0])]


def l2_normalization(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    rank = len(given["x"].dims)
    return [along(draft, draft.put(given["x"]), rank, axis_of(given), "L2_NORMALIZATION", outputs[0])]


def local_response(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """TFLite's knows rank 4 only."""
    x, dims = draft.put(given["x"]), given["x"].dims
    options = {name: given[name].scalar for name in ("radius", "bias", "alpha", "beta")}
    axis = axis_of(given) % len(dims)
    if len(dims) == 4:
        return [along(draft, x, 4, axis, "LOCAL_RESPONSE_NORMALIZATION", outputs[0], **options)]
    order = last_axis_first(len(dims), axis)
    if axis != len(dims) - 1:
        x = draft.transposed(x, order)
    turned = tuple(dims[i] for i in order)
    x = draft.reshaped(x, (1,) * (4 - len(dims)) + turned)
    y = draft.op("LOCAL_RESPONSE_NORMALIZATION", (x,), draft.temporary("float32"), **options)
    if axis == len(dims) - 1:
        return [draft.reshaped(y, dims, into=draft.output(outputs[0]))]
    return [draft.op("TRANSPOSE", (draft.reshaped(y, turned), draft.constant(order)), draft.output(outputs[0]))]


def reduction(op: str) -> Build:
    """NNAPI gives [1] where everything is reduced, TFLite a scalar."""

    def build(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
        rank, keep = len(given["x"].dims), bool(given["keep"].scalar)
        axes = {a % rank for a in given["axes"].array.tolist()}
        inputs = (draft.put(given["x"]), draft.put(given["axes"]))
        output = draft.output(outputs[0])
        if keep or len(axes) < rank:
            return [draft.op(op, inputs, output, keep_dims=keep)]
        return [draft.reshaped(draft.op(op, inputs, draft.like(output), keep_dims=False), (1,), into=output)]

    return build


def arg(op: str) -> Build:
    """NNAPI gives [1] for a vector, TFLite a scalar."""

    def build(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
        inputs = (draft.put(given["x"]), draft.constant(given["axis"].scalar))
        output = draft.output(outputs[0])
        if len(given["x"].dims) > 1:
            return [draft.op(op, inputs, output, output_type="INT32")]
        return [draft.reshaped(draft.op(op, inputs, draft.like(output), output_type="INT32"), (1,), into=output)]

    return build


def top_k(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    written = [draft.output(o) for o in outputs]
    draft.op("TOPK_V2", (draft.put(given["x"]), draft.constant(given["k"].scalar)), written)
    return written


def fully_connected(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    inputs = [draft.put(given[name]) for name in ("x", "weights", "bias")]
    activation = ACTIVATIONS[given["activation"].scalar]
    return [draft.op("FULLY_CONNECTED", inputs, draft.output(outputs[0]), fused_activation_function=activation)]


def batch_matmul(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    adjoint = {f"adj_{ours}": bool(given[f"adj_{name}"].scalar) for ours, name in (("x", "a"), ("y", "b"))}
    inputs = (draft.put(given["a"]), draft.put(given["b"]))
    return [draft.op("BATCH_MATMUL", inputs, draft.output(outputs[0]), **adjoint)]


def embedding_lookup(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    return [
        draft.op("EMBEDDING_LOOKUP", (draft.put(given["ids"]), draft.put(given["values"])), draft.output(outputs[0]))
    ]


def hashtable_lookup(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    written = [draft.output(o) for o in outputs]
    draft.op("HASHTABLE_LOOKUP", [draft.put(given[name]) for name in ("lookups", "keys", "values")], written)
    return written


def lsh_projection(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    kind = given["type"].scalar
    if kind not in LSH_TYPES:
        raise Inexpressible(LSH_SPARSE_DEPRECATED)
    inputs = [draft.put(given[name]) for name in ("hash", "x", "weight")]
    return [draft.op("LSH_PROJECTION", inputs, draft.output(outputs[0]), type=LSH_TYPES[kind])]


def detection(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """TFLite's custom op gives boxes, classes, scores and the number, all of them floats."""
    columns = given["scores"].dims[-1]
    background = bool(given["background"].scalar)
    options = {
        "max_detections": given["detections"].scalar,
        "max_classes_per_detection": given["classes_per_detection"].scalar,
        "detections_per_class": given["detections_per_class"].scalar,
        "use_regular_nms": bool(given["regular"].scalar),
        "nms_score_threshold": given["score_threshold"].scalar,
        "nms_iou_threshold": given["iou_threshold"].scalar,
        "num_classes": columns - 1,
        **{name: given[name].scalar for name in ("y_scale", "x_scale", "h_scale", "w_scale")},
    }
    inputs = [draft.put(given[name]) for name in ("deltas", "scores", "anchors")]
    scores, boxes, classes, count = (draft.output(o) for o in outputs)
    found, number = draft.temporary("float32"), draft.temporary("float32")
    draft.custom("TFLite_Detection_PostProcess", inputs, (boxes, found, scores, number), encode(options))
    if background:  # its class is 0 in NNAPI then; TFLite counts without it
        found = draft.op("ADD", (found, draft.constant(1, "float32")), draft.temporary("float32"))
    draft.op("CAST", (found,), classes, in_data_type="FLOAT32", out_data_type="INT32")
    draft.op("CAST", (number,), count, in_data_type="FLOAT32", out_data_type="INT32")
    return scores, boxes, classes, count


REDUCTIONS = {
    "MEAN": "MEAN",
    "REDUCE_ALL": "REDUCE_ALL",
    "REDUCE_ANY": "REDUCE_ANY",
    "REDUCE_MAX": "REDUCE_MAX",
    "REDUCE_MIN": "REDUCE_MIN",
    "REDUCE_PROD": "REDUCE_PROD",
    "REDUCE_SUM": "SUM",
}

MAPPING: dict[str, Mapped] = {
    **{name: Mapped(op, reduction(op)) for name, op in REDUCTIONS.items()},
    "ARGMAX": Mapped("ARG_MAX", arg("ARG_MAX")),
    "ARGMIN": Mapped("ARG_MIN", arg("ARG_MIN")),
    "BATCH_MATMUL": Mapped("BATCH_MATMUL", batch_matmul),
    "DETECTION_POSTPROCESSING": Mapped("TFLite_Detection_PostProcess", detection),
    "EMBEDDING_LOOKUP": Mapped("EMBEDDING_LOOKUP", embedding_lookup),
    "FULLY_CONNECTED": Mapped("FULLY_CONNECTED", fully_connected),
    "HASHTABLE_LOOKUP": Mapped("HASHTABLE_LOOKUP", hashtable_lookup),
    "L2_NORMALIZATION": Mapped("L2_NORMALIZATION", l2_normalization),
    "LOCAL_RESPONSE_NORMALIZATION": Mapped("LOCAL_RESPONSE_NORMALIZATION", local_response),
    "LOG_SOFTMAX": Mapped("LOG_SOFTMAX", log_softmax),
    "LSH_PROJECTION": Mapped("LSH_PROJECTION", lsh_projection),
    "SOFTMAX": Mapped("SOFTMAX", softmax),
    "TOPK_V2": Mapped("TOPK_V2", top_k),
}
