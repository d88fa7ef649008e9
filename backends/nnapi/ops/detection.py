"""Ops that look things up or pick them out."""

from __future__ import annotations

from subgraft import _native
from subgraft.backends.nnapi import codes
from subgraft.backends.nnapi.codes import LEVEL_1, LEVEL_3
from subgraft.backends.nnapi.draft import Draft, Operand, Refused
from subgraft.backends.nnapi.lowering import lowers
from subgraft.delegates import Graph, Op, rule
from subgraft.delegates.constants import is_constant

NAME = "TFLite_Detection_PostProcess"
BOX_VALUES = 4


@rule
def constant_anchors(op: Op, graph: Graph) -> bool:
    """its anchors must be a constant, and its boxes and scores float32 with 3 dimensions"""
    boxes, scores = (graph.tensors[t] for t in op.inputs[:2])
    is_real = boxes.dtype == scores.dtype == "float32" and len(boxes.shape) == len(scores.shape) == 3
    return is_real and is_constant(op.inputs[2], graph)


@rule
def background_class(op: Op, graph: Graph) -> bool:
    """its scores must have a background class in front of the others"""
    classes = _options(op).get("num_classes")
    return isinstance(classes, int) and graph.tensors[op.inputs[1]].shape[-1] == classes + 1


def _options(op: Op) -> dict[str, object]:
    found = _native.decode_flexbuffer(bytes(op.custom_options or b""))
    return found if isinstance(found, dict) else {}


@lowers(NAME, levels={"float32": LEVEL_3}, rules=(constant_anchors, background_class), is_custom=True)
def detection(op: Op, draft: Draft) -> None:
    """NNAPI gives scores, boxes, classes and the number, the last two as int32; the op all of them as floats."""
    o = _options(op)
    graph = draft.graph
    deltas, scores, anchors = (draft.tensor(t) for t in op.inputs[:3])
    scales = [draft.real(_number(o, f"{side}_scale")) for side in ("y", "x", "h", "w")]
    regular = draft.boolean(bool(o.get("use_regular_nms", False)))
    counts = [
        draft.integer(int(_number(o, name, default)))
        for name, default in (("max_detections", None), ("max_classes_per_detection", 1), ("detections_per_class", 100))
    ]
    limits = [draft.real(_number(o, name)) for name in ("nms_score_threshold", "nms_iou_threshold")]
    # The background is class 0 of the scores and is not counted in the classes.
    inputs = [scores, deltas, anchors, *scales, regular, *counts, *limits, draft.boolean(False)]
    boxes, classes, values, number = op.outputs
    found = draft.add(Operand(codes.TENSOR_INT32, graph.tensors[classes].shape))
    count = draft.add(Operand(codes.TENSOR_INT32, graph.tensors[number].shape or (1,)))
    draft.write("DETECTION_POSTPROCESSING", inputs, [draft.tensor(values), draft.tensor(boxes), found, count])
    draft.write("CAST", [found], draft.tensor(classes))
    draft.write("CAST", [count], draft.tensor(number))


def _number(options: dict[str, object], name: str, default: float | None = None) -> float:
    value = options.get(name, default)
    if not isinstance(value, int | float):
        raise Refused(f"its option {name!r} is {value!r}")
    return float(value)


@lowers("HASHTABLE_LOOKUP", levels={"int32": LEVEL_1}, rules=())
def hashtable_lookup(op: Op, draft: Draft) -> None:
    """Found or not comes out as a quantized 0 or 1."""
    hits = draft.graph.tensors[op.outputs[1]]
    draft.places[op.outputs[1]] = draft.add(Operand(codes.TENSOR_QUANT8_ASYMM, hits.shape, 1.0))
    draft.write("HASHTABLE_LOOKUP", [draft.tensor(t) for t in op.inputs], [draft.tensor(t) for t in op.outputs])


LSH_TYPES = {"DENSE": 2, "SPARSE": 3}


@rule
def known_projection(op: Op, graph: Graph) -> bool:
    """it must be the dense kind, or the sparse one"""
    return op.options.get("type") in LSH_TYPES


@lowers("LSH_PROJECTION", levels={"float32": LEVEL_1}, rules=(known_projection,))
def lsh_projection(op: Op, draft: Draft) -> None:
    kind = op.options.type
    if kind == "SPARSE" and draft.level < LEVEL_3:
        raise Refused(f"the sparse kind needs {codes.called(LEVEL_3)}")
    inputs = [draft.tensor(t) for t in op.inputs[:2]]
    has_weights = len(op.inputs) > 2 and op.inputs[2] >= 0
    inputs.append(draft.tensor(op.inputs[2]) if has_weights else draft.absent(codes.TENSOR_FLOAT32))
    draft.write("LSH_PROJECTION", [*inputs, draft.integer(LSH_TYPES[kind])], draft.tensor(op.outputs[0]))
