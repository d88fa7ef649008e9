"""Ops that move elements."""

from __future__ import annotations

from collections.abc import Sequence

from subgraft.backends.nnapi import codes
from subgraft.backends.nnapi.codes import LEVEL_1, LEVEL_2, LEVEL_3, LEVEL_4, LEVEL_6, LEVEL_7
from subgraft.backends.nnapi.draft import ONE, Draft, Operand, Refused
from subgraft.backends.nnapi.lowering import floats, lowers
from subgraft.backends.nnapi.ops.elementwise import same_quantization
from subgraft.backends.nnapi.ops.windows import same_quantization_of_images
from subgraft.delegates import Array, Graph, Op, rule

EVERYTHING = {**floats(LEVEL_3), "int32": LEVEL_3}


@rule
def constant_parameters(op: Op, graph: Graph) -> bool:
    """all its inputs but the data must be constants"""
    return all(graph.tensors[t].is_constant for t in op.inputs[1:] if t >= 0)


MOVES = (constant_parameters, same_quantization_of_images)


def constant(draft: Draft, t: int) -> Array:
    data = draft.graph.tensors[t].data
    if data is None:
        raise Refused("a constant is of a type that cannot be read here")
    return data


def integers(draft: Draft, t: int) -> int:
    """A constant of int32 or int64 as one of int32."""
    values = constant(draft, t)
    if values.size and (values.max() >= 1 << 31 or values.min() < -(1 << 31)):
        raise Refused("a constant does not fit into 32 bits")
    return draft.integers(values.reshape(-1))


def rank(draft: Draft, op: Op) -> int:
    return len(draft.graph.tensors[op.inputs[0]].shape)


@lowers(
    "RESHAPE",
    levels={**floats(LEVEL_1), "int32": LEVEL_6},
    rules=(same_quantization_of_images,),
    any_rank=True,
    scalars=True,
)
def reshape(op: Op, draft: Draft) -> None:
    if max(rank(draft, op), len(draft.graph.tensors[op.outputs[0]].shape)) > 4:
        raise Refused("its tensors must have at most 4 dimensions")
    shape = draft.integers(draft.graph.tensors[op.outputs[0]].shape or ONE)
    draft.write("RESHAPE", [draft.tensor(op.inputs[0]), shape], draft.tensor(op.outputs[0]))


@lowers("SQUEEZE", levels={**floats(LEVEL_1), "int32": LEVEL_6}, rules=MOVES)
def squeeze(op: Op, draft: Draft) -> None:
    reshape(op, draft)


@lowers("EXPAND_DIMS", levels={**floats(LEVEL_1), "int32": LEVEL_3}, rules=MOVES)
def expand_dims(op: Op, draft: Draft) -> None:
    if draft.level < LEVEL_3:
        reshape(op, draft)
        return
    axis = int(constant(draft, op.inputs[1]).reshape(-1)[0]) % (rank(draft, op) + 1)
    draft.write("EXPAND_DIMS", [draft.tensor(op.inputs[0]), draft.integer(axis)], draft.tensor(op.outputs[0]))


@rule
def parts_of_one_type(op: Op, graph: Graph) -> bool:
    """its inputs and its output must have one type"""
    return len({graph.tensors[t].dtype for t in (*op.inputs, *op.outputs)}) == 1


@rule
def joins_only(op: Op, graph: Graph) -> bool:
    """NNAPI fuses no activation here"""
    return bool(op.options.get("fused_activation_function", "NONE") == "NONE")


@lowers("CONCATENATION", levels={**floats(LEVEL_1), "int32": LEVEL_3}, rules=(parts_of_one_type, joins_only))
def concatenation(op: Op, draft: Draft) -> None:
    kinds = {draft.described(draft.graph.tensors[t]).scale for t in (*op.inputs, *op.outputs)}
    if draft.level < LEVEL_3 and len(kinds) > 1:
        raise Refused("before feature level 3 its tensors must have one scale")
    axis = draft.integer(op.options.axis % rank(draft, op))
    draft.write("CONCATENATION", [*(draft.tensor(t) for t in op.inputs), axis], draft.tensor(op.outputs[0]))


@lowers("PAD", levels={**floats(LEVEL_2, LEVEL_3)}, rules=MOVES)
def pad(op: Op, draft: Draft) -> None:
    pads = draft.integers(constant(draft, op.inputs[1]))
    draft.write("PAD", [draft.tensor(op.inputs[0]), pads], draft.tensor(op.outputs[0]))


@lowers("PADV2", levels=floats(LEVEL_3), rules=MOVES)
def pad_v2(op: Op, draft: Draft) -> None:
    pads = draft.integers(constant(draft, op.inputs[1]))
    value = constant(draft, op.inputs[2]).reshape(-1)[0]
    dtype = draft.graph.tensors[op.inputs[0]].dtype
    if dtype == "float32":
        filler = draft.real(float(value))
    else:
        filler = draft.integer(int(value) + (128 if dtype == "int8" and draft.flips else 0))
    draft.write("PAD_V2", [draft.tensor(op.inputs[0]), pads, filler], draft.tensor(op.outputs[0]))


@lowers("MIRROR_PAD", levels={**floats(LEVEL_7), "int32": LEVEL_7}, rules=MOVES, any_rank=True)
def mirror_pad(op: Op, draft: Draft) -> None:
    pads = draft.integers(constant(draft, op.inputs[1]))
    mode = draft.integer({"REFLECT": 0, "SYMMETRIC": 1}[op.options.mode])
    draft.write("MIRROR_PAD", [draft.tensor(op.inputs[0]), pads, mode], draft.tensor(op.outputs[0]))


@lowers("SPACE_TO_DEPTH", "DEPTH_TO_SPACE", levels=floats(LEVEL_1), rules=MOVES)
def depth(op: Op, draft: Draft) -> None:
    block = draft.integer(op.options.block_size)
    draft.write(op.kind, [draft.tensor(op.inputs[0]), block], draft.tensor(op.outputs[0]))


@rule
def images(op: Op, graph: Graph) -> bool:
    """its data must have 4 dimensions"""
    return len(graph.tensors[op.inputs[0]].shape) == 4


@lowers("SPACE_TO_BATCH_ND", levels=floats(LEVEL_2), rules=(*MOVES, images))
def space_to_batch(op: Op, draft: Draft) -> None:
    parameters = [integers(draft, op.inputs[1]), draft.integers(constant(draft, op.inputs[2]))]
    draft.write("SPACE_TO_BATCH_ND", [draft.tensor(op.inputs[0]), *parameters], draft.tensor(op.outputs[0]))


@lowers("BATCH_TO_SPACE_ND", levels=floats(LEVEL_2), rules=(*MOVES, images))
def batch_to_space(op: Op, draft: Draft) -> None:
    block, crops = constant(draft, op.inputs[1]), constant(draft, op.inputs[2])
    inputs = [draft.tensor(op.inputs[0]), integers(draft, op.inputs[1])]
    if not crops.any():
        draft.write("BATCH_TO_SPACE_ND", inputs, draft.tensor(op.outputs[0]))
        return
    batch, height, width, channels = draft.graph.tensors[op.inputs[0]].shape
    whole = (batch // int(block.prod()), height * int(block[0]), width * int(block[1]), channels)
    uncropped = draft.like(op.outputs[0], whole)
    draft.write("BATCH_TO_SPACE_ND", inputs, uncropped)
    begin = draft.integers([0, int(crops[0, 0]), int(crops[1, 0]), 0])
    size = draft.integers(draft.graph.tensors[op.outputs[0]].shape)
    draft.write("SLICE", [uncropped, begin, size], draft.tensor(op.outputs[0]))


@rule
def simple_masks(op: Op, graph: Graph) -> bool:
    """NNAPI has no ellipsis, new axes or offsets here"""
    o = op.options
    return not any(o.get(name, 0) for name in ("ellipsis_mask", "new_axis_mask", "offset"))


@lowers("STRIDED_SLICE", levels={**floats(LEVEL_2), "int32": LEVEL_3}, rules=(*MOVES, simple_masks))
def strided_slice(op: Op, draft: Draft) -> None:
    o = op.options
    masks = [draft.integer(o.get(name, 0)) for name in ("begin_mask", "end_mask", "shrink_axis_mask")]
    parameters = [integers(draft, t) for t in op.inputs[1:]]
    draft.write("STRIDED_SLICE", [draft.tensor(op.inputs[0]), *parameters, *masks], draft.tensor(op.outputs[0]))


@lowers("SLICE", levels=EVERYTHING, rules=MOVES)
def slice_(op: Op, draft: Draft) -> None:
    parameters = [integers(draft, t) for t in op.inputs[1:]]
    draft.write("SLICE", [draft.tensor(op.inputs[0]), *parameters], draft.tensor(op.outputs[0]))


@lowers("TRANSPOSE", levels={**floats(LEVEL_2), "int32": LEVEL_3}, rules=MOVES)
def transpose(op: Op, draft: Draft) -> None:
    draft.write("TRANSPOSE", [draft.tensor(op.inputs[0]), integers(draft, op.inputs[1])], draft.tensor(op.outputs[0]))


@lowers("TILE", levels=EVERYTHING, rules=MOVES)
def tile(op: Op, draft: Draft) -> None:
    draft.write("TILE", [draft.tensor(op.inputs[0]), integers(draft, op.inputs[1])], draft.tensor(op.outputs[0]))


@rule
def int32_indices(op: Op, graph: Graph) -> bool:
    """its indices must be int32, and have a dimension"""
    indices = graph.tensors[op.inputs[1]]
    return indices.dtype == "int32" and bool(indices.shape)


@rule
def no_batches(op: Op, graph: Graph) -> bool:
    """NNAPI gathers without batch dimensions"""
    return int(op.options.get("batch_dims", 0)) == 0


@lowers("GATHER", levels=EVERYTHING, rules=(int32_indices, no_batches, same_quantization_of_images))
def gather(op: Op, draft: Draft) -> None:
    axis = draft.integer(op.options.axis % rank(draft, op))
    draft.write("GATHER", [draft.tensor(op.inputs[0]), axis, draft.tensor(op.inputs[1])], draft.tensor(op.outputs[0]))


@rule
def constant_axis_of_split(op: Op, graph: Graph) -> bool:
    """its axis must be a constant"""
    return graph.tensors[op.inputs[0]].is_constant


@rule
def parts_as_the_whole(op: Op, graph: Graph) -> bool:
    """its parts must have the type of the whole, and its scale and zero point where they are quantized"""
    whole = op.inputs[1 if op.kind == "SPLIT" else 0]
    return same_quantization_of_images(Op(op.kind, (whole,), op.outputs), graph)


@lowers("SPLIT", levels=EVERYTHING, rules=(constant_axis_of_split, parts_as_the_whole), data=1)
def split(op: Op, draft: Draft) -> None:
    axis = int(constant(draft, op.inputs[0]).reshape(-1)[0]) % len(draft.graph.tensors[op.inputs[1]].shape)
    inputs = [draft.tensor(op.inputs[1]), draft.integer(axis), draft.integer(len(op.outputs))]
    draft.write("SPLIT", inputs, [draft.tensor(t) for t in op.outputs])


def cut(draft: Draft, x: int, outputs: Sequence[int], axis: int) -> None:
    """One SLICE for each output, side by side along the axis."""
    begin = 0
    for t in outputs:
        shape = draft.graph.tensors[t].shape
        first = [0] * len(shape)
        first[axis] = begin
        begin += shape[axis]
        draft.write("SLICE", [x, draft.integers(first), draft.integers(shape)], draft.tensor(t))


@lowers("SPLIT_V", levels=EVERYTHING, rules=(constant_parameters, parts_as_the_whole))
def split_v(op: Op, draft: Draft) -> None:
    axis = int(constant(draft, op.inputs[2]).reshape(-1)[0]) % rank(draft, op)
    cut(draft, draft.tensor(op.inputs[0]), op.outputs, axis)


@lowers("PACK", levels={**floats(LEVEL_3), "int32": LEVEL_6}, rules=(parts_of_one_type, same_quantization))
def pack(op: Op, draft: Draft) -> None:
    out = draft.graph.tensors[op.outputs[0]]
    axis = op.options.axis % len(out.shape)
    if draft.level >= LEVEL_6:
        parts = [draft.tensor(t) for t in op.inputs]
        draft.write("PACK", [draft.integer(axis), *parts], draft.tensor(op.outputs[0]))
        return
    one = (*out.shape[:axis], 1, *out.shape[axis + 1 :])
    parts = []
    for t in op.inputs:
        part = draft.like(t, one)
        draft.write("RESHAPE", [draft.tensor(t), draft.integers(one)], part)
        parts.append(part)
    draft.write("CONCATENATION", [*parts, draft.integer(axis)], draft.tensor(op.outputs[0]))


@lowers("UNPACK", levels={**floats(LEVEL_3), "int32": LEVEL_6}, rules=(parts_as_the_whole,))
def unpack(op: Op, draft: Draft) -> None:
    whole = draft.graph.tensors[op.inputs[0]]
    axis = op.options.axis % len(whole.shape)
    for i, t in enumerate(op.outputs):
        first, size = [0] * len(whole.shape), list(whole.shape)
        first[axis], size[axis] = i, 1
        part = draft.like(op.inputs[0], size)
        draft.write("SLICE", [draft.tensor(op.inputs[0]), draft.integers(first), draft.integers(size)], part)
        draft.write("RESHAPE", [part, draft.integers(draft.graph.tensors[t].shape)], draft.tensor(t))


@rule
def one_axis(op: Op, graph: Graph) -> bool:
    """NNAPI reverses along one axis"""
    data = graph.tensors[op.inputs[1]].data
    return data is not None and data.size == 1


@lowers("REVERSE_V2", levels={**floats(LEVEL_7), "int32": LEVEL_7}, rules=(*MOVES, one_axis))
def reverse(op: Op, draft: Draft) -> None:
    axis = constant(draft, op.inputs[1]).reshape(-1) % rank(draft, op)
    draft.write("REVERSE", [draft.tensor(op.inputs[0]), draft.integers(axis)], draft.tensor(op.outputs[0]))


@rule
def filled_shape(op: Op, graph: Graph) -> bool:
    """its shape and its value must be constants"""
    return all(graph.tensors[t].is_constant for t in op.inputs)


@lowers("FILL", levels={"float32": LEVEL_4, "int32": LEVEL_4}, rules=(filled_shape,), data=1, scalars=True)
def fill(op: Op, draft: Draft) -> None:
    value = constant(draft, op.inputs[1]).reshape(-1)[0]
    is_real = draft.graph.tensors[op.inputs[1]].dtype == "float32"
    filler = draft.real(float(value)) if is_real else draft.integer(int(value))
    draft.write("FILL", [integers(draft, op.inputs[0]), filler], draft.tensor(op.outputs[0]))


@rule
def ids_first(op: Op, graph: Graph) -> bool:
    """its ids must be int32 in one dimension"""
    ids = graph.tensors[op.inputs[0]]
    return ids.dtype == "int32" and len(ids.shape) == 1


@rule
def rows_as_they_are(op: Op, graph: Graph) -> bool:
    """NNAPI gives rows of the type, scale and zero point that the table has: no float32 of a quantized one"""
    return same_quantization_of_images(Op(op.kind, op.inputs[1:], op.outputs), graph)


@lowers(
    "EMBEDDING_LOOKUP",
    levels={**floats(LEVEL_1), "int32": LEVEL_1},
    rules=(ids_first, rows_as_they_are),
    data=1,
)
def embedding_lookup(op: Op, draft: Draft) -> None:
    draft.write("EMBEDDING_LOOKUP", [draft.tensor(t) for t in op.inputs], draft.tensor(op.outputs[0]))


@rule
def nobody_computes_with_it(op: Op, graph: Graph) -> bool:
    """NNAPI gives a scalar, which no other operation takes for a tensor"""
    return not graph.consumers().get(op.outputs[0])


@lowers("RANK", levels={**floats(LEVEL_4), "int32": LEVEL_4}, rules=(nobody_computes_with_it,), scalars=True)
def rank_of(op: Op, draft: Draft) -> None:
    draft.places[op.outputs[0]] = draft.add(Operand(codes.INT32))
    draft.write("RANK", [draft.tensor(op.inputs[0])], draft.tensor(op.outputs[0]))
