"""AVERAGE_POOL_2D, MAX_POOL_2D and L2_POOL_2D."""

from __future__ import annotations

from subgraft.backends.opencl.activations import FUSED, clamp_step, clamping_activation
from subgraft.backends.opencl.launch import In, Int, Launch, Work
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.ops.movement import kind_of
from subgraft.backends.opencl.windows import window
from subgraft.delegates import Graph, Op, rule

KINDS = {"AVERAGE_POOL_2D": "AVERAGE", "MAX_POOL_2D": "MAXIMUM", "L2_POOL_2D": "L2"}
# The largest window whose count is exact in a float, or whose sum stays within 32 bits with its rounding.
MOST_ELEMENTS = {"float32": 1 << 24, "int8": 1 << 22, "uint8": 1 << 22, "int16": 1 << 14}


@rule
def pooled_types(op: Op, graph: Graph) -> bool:
    """its tensors must be float32, int8, uint8 or int16 (L2_POOL_2D: float32), of one type"""
    types = {graph.tensors[t].dtype for t in (op.inputs[0], op.outputs[0])}
    return len(types) == 1 and types <= ({"float32"} if op.kind == "L2_POOL_2D" else set(MOST_ELEMENTS))


@rule
def image(op: Op, graph: Graph) -> bool:
    """its input must have rank 4"""
    return len(graph.tensors[op.inputs[0]].shape) == len("NHWC")


@rule
def exact_sums(op: Op, graph: Graph) -> bool:
    """its windows must be so small that the sum of one stays within 32 bits"""
    most = MOST_ELEMENTS.get(graph.tensors[op.inputs[0]].dtype, 0)
    return bool(op.options.get("filter_height", 0) * op.options.get("filter_width", 0) <= most)


@rule
def positive_window(op: Op, graph: Graph) -> bool:
    """its filter and its strides must be above 0"""
    sizes = ("filter_height", "filter_width", "stride_h", "stride_w")
    return all(op.options.get(name, 0) > 0 for name in sizes)


@lowers(*KINDS, rules=(pooled_types, image, positive_window, exact_sums, clamping_activation))
def pool(op: Op, build: Build) -> None:
    o = op.options
    given, result = build.value(op.inputs[0]), build.value(op.outputs[0])
    _, height, width, channels = given.shape
    y = window(o.get("padding", "SAME"), height, o.filter_height, o.stride_h)
    x = window(o.get("padding", "SAME"), width, o.filter_width, o.stride_w)
    kind = kind_of(result)
    sizes = {
        "count": result.count, "height": height, "width": width, "channels": channels, "out_height": y.out,
        "out_width": x.out, "filter_height": y.filter, "filter_width": x.filter, "stride_y": y.stride,
        "stride_x": x.stride, "pad_y": y.before, "pad_x": x.before,
    }  # fmt: skip
    build.add(
        Launch(
            "pool",
            (In("x", given), *(Int(name, value) for name, value in sizes.items())),
            (result.count,),
            (),
            {
                "KIND": KINDS[op.kind],
                "AVERAGE": 0,
                "MAXIMUM": 1,
                "L2": 2,
                "SUM": kind,
                "IS_FLOAT": int(kind == "float"),
            },
            result,
            kind,
            (clamp_step(o.get(FUSED, "NONE"), build.tensor(op.outputs[0])),),
            work=Work(result.count * y.filter * x.filter, given.bytes + result.bytes),
        )
    )
