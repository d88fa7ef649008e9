"""PosenetDecoderOp. LiteRT does not have it: expected is its definition, one keypoint at a time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from op_cases import Array, Case, In, fed, out, x

OPTIONS: dict[str, Any] = {"max_detections": 8, "score_threshold": 0.4, "stride": 16, "nms_radius": 20.0}
KEYPOINTS, EDGES, MASK = 17, 16, 33
CHILDREN = [1, 3, 2, 4, 5, 7, 9, 11, 13, 15, 6, 8, 10, 12, 14, 16]
PARENTS = [0, 1, 0, 2, 0, 5, 7, 5, 11, 13, 0, 6, 8, 6, 12, 14]
WHY = "LiteRT has no PosenetDecoderOp"
F = np.float32


def sample(field: Array, y: Any, x: Any, channel: int) -> Any:
    height, width, _ = field.shape
    cy, cx = np.clip(y, F(0), F(height - 1)), np.clip(x, F(0), F(width - 1))
    top, left, bottom, right = int(np.floor(cy)), int(np.floor(cx)), int(np.ceil(cy)), int(np.ceil(cx))
    v, u = y - F(top), x - F(left)
    above = (1 - u) * field[top, left, channel] + u * field[top, right, channel]
    below = (1 - u) * field[bottom, left, channel] + u * field[bottom, right, channel]
    return (1 - v) * above + v * below


def moved(field: Array, point: Array, channels: tuple[int, int]) -> Array:
    limits = np.array(field.shape[:2], F) - 1
    step = np.array([sample(field, point[0], point[1], c) for c in channels], F)
    return np.clip(point + step, F(0), limits)


def one_pose(heat: Array, near: Array, mid: Array, root: Array, first: int) -> tuple[Array, Array]:
    """Keypoints and logits of the pose that begins with this one."""
    points, logits = np.zeros((KEYPOINTS, 2), F), np.zeros(KEYPOINTS, F)
    waiting = [(-sample(heat, root[0], root[1], first), 0, first, root)]
    done: set[int] = set()
    while waiting:
        score, _, k, point = heapq.heappop(waiting)
        if k in done:
            continue
        done.add(k)
        points[k], logits[k] = point, -score
        for e in range(EDGES):
            for near_end, far_end, channel in (
                (PARENTS[e], CHILDREN[e], e),
                (CHILDREN[e], PARENTS[e], 2 * EDGES + e if e else EDGES),
            ):
                if near_end != k or far_end in done:
                    continue
                there = moved(mid, point, (channel, EDGES + channel))
                for _ in range(5):
                    there = moved(near, there, (far_end, KEYPOINTS + far_end))
                entry = (-sample(heat, there[0], there[1], far_end), len(waiting) + 1000 * len(done), far_end, there)
                heapq.heappush(waiting, entry)
    return points, logits


def definition(
    settings: dict[str, Any], scales: Sequence[tuple[float, int]] | None
) -> Callable[[list[Array]], list[Array]]:
    def compute(inputs: list[Array]) -> list[Array]:
        stride, threshold = F(settings["stride"]), F(settings["score_threshold"])
        fields = []
        for i, given in enumerate(inputs):
            factor = F(1) if i == 0 else F(1.0 / settings["stride"])
            if scales is None:
                fields.append(given[0] * factor)
            else:
                scale, zero = scales[i]
                fields.append((given[0].astype(F) - F(zero)) * (F(scale) * factor))
        heat, near, mid = fields[:3]
        radius = F(F(settings["nms_radius"]) / stride)
        least = F(-np.log(1.0 / (np.float64(threshold) + 1e-6) - 1.0))
        roots = []
        for y, x_, k in np.ndindex(heat.shape):
            window = heat[max(y - 1, 0) : y + 2, max(x_ - 1, 0) : x_ + 2, k]
            if heat[y, x_, k] >= least and heat[y, x_, k] >= window.max():
                step = np.array([near[y, x_, k], near[y, x_, KEYPOINTS + k]], F)
                at = np.clip(np.array([y, x_], F) + step, F(0), np.array(heat.shape[:2], F) - 1)
                roots.append((-heat[y, x_, k], len(roots), at, k))
        poses: list[tuple[Array, Array, Any]] = []
        for _, _, root, k in sorted(roots, key=lambda r: r[:2]):
            if len(poses) == settings["max_detections"]:
                break
            if any(((points[k] - root) ** 2).sum() <= radius * radius for points, _, _ in poses):
                continue
            points, logits = one_pose(heat, near, mid, root, k)
            scores = 1 / (1 + np.exp(-logits))
            if scores.mean() >= threshold:
                poses.append((points, scores, scores.mean()))
        poses.sort(key=lambda pose: -pose[2])
        final = []
        for i, (points, scores, _) in enumerate(poses):
            hidden = np.zeros(KEYPOINTS, bool)
            for better, _, _ in poses[:i]:
                hidden |= ((points - better) ** 2).sum(axis=1) <= radius * radius
            final.append((points, scores, F((scores * ~hidden).sum() / KEYPOINTS)))
        final = [pose for pose in sorted(final, key=lambda pose: -pose[2]) if pose[2] >= threshold]
        return outputs(settings, final, fields[3] if len(fields) > 3 else None, stride)

    return compute


def outputs(
    settings: dict[str, Any], poses: list[tuple[Array, Array, Any]], far: Array | None, stride: Any
) -> list[Array]:
    n = settings["max_detections"]
    result = [np.zeros((1, n, KEYPOINTS, 2), F), np.zeros((1, n, KEYPOINTS), F), np.zeros((1, n), F)]
    for i, (points, scores, score) in enumerate(poses):
        result[0][0, i], result[1][0, i], result[2][0, i] = points * stride, scores, score
    result.append(np.array([len(poses)], F))
    if far is not None:
        masks = np.zeros((1, n, MASK, MASK), F)
        for y, x_ in np.ndindex(MASK, MASK) if poses else ():
            led = np.zeros((KEYPOINTS, 2), F)
            for k in range(KEYPOINTS):
                led[k] = (y, x_)
                for _ in range(3):
                    led[k] = moved(far, led[k], (k, KEYPOINTS + k))
            distances = [((led * stride - result[0][0, i]) ** 2).sum() for i in range(len(poses))]
            masks[0, int(np.argmin(distances)), y, x_] = 1
        result.append(masks)
    return result


def posenet(height: int = 9, width: int = 12, masks: bool = False, seed: int = 0, **options: Any) -> Case:
    """Random maps: every local maximum of the heat is a candidate."""
    settings = OPTIONS | {k: v for k, v in options.items() if k in OPTIONS}
    more: dict[str, Any] = {k: v for k, v in options.items() if k not in OPTIONS}
    if "error" not in more:
        more |= {"expected": definition(settings, None), "why": WHY}
    depths = [KEYPOINTS, 2 * KEYPOINTS, 4 * EDGES] + [2 * KEYPOINTS] * masks
    inputs: list[In | None] = [x(1, height, width, depth) for depth in depths]
    defaults: dict[str, Any] = {
        "options": {},
        "is_custom": True,
        "custom_options": bytes(flexbuffers.Dumps(settings)),
        "seed": seed,
        "tolerance": 1e-5,
        "label": "-".join(f"{k}={v}" for k, v in options.items() if k in OPTIONS) + f"{height}x{width}-{seed}",
    }
    return Case("PosenetDecoderOp", inputs, [out() for _ in range(4 + masks)], **(defaults | more))


USUAL = ((0.04, 100), (0.3, 128), (0.7, 120))


def quantized(seed: int, scales: Sequence[tuple[float, int]] = USUAL) -> Case:
    """uint8 maps whose heat has no value twice: the definition here does not say who of equals comes first."""
    rng = np.random.default_rng(seed)
    height, width = 3, 5
    heat = rng.permutation(height * width * KEYPOINTS).reshape(1, height, width, KEYPOINTS)  # 255 values
    values = [heat, rng.integers(0, 256, (1, height, width, 34)), rng.integers(0, 256, (1, height, width, 64))]
    inputs: list[In | None] = [
        fed(value, "uint8", scale=scale, zero=zero) for value, (scale, zero) in zip(values, scales, strict=True)
    ]
    settings = OPTIONS | {"score_threshold": 0.7}
    return Case(
        "PosenetDecoderOp",
        inputs,
        [out() for _ in range(4)],
        options={},
        is_custom=True,
        custom_options=bytes(flexbuffers.Dumps(settings)),
        expected=definition(settings, scales),
        why=WHY,
        tolerance=1e-5,
        label=f"quantized-{seed}",
    )


CASES = [
    *(posenet(seed=s) for s in range(6)),
    *(posenet(height=1, width=1, seed=s) for s in range(2)),
    posenet(height=1, width=20),
    posenet(max_detections=1),
    posenet(max_detections=40, score_threshold=0.1, seed=3),
    posenet(nms_radius=200.0, seed=4),
    posenet(nms_radius=0.0, score_threshold=0.2, seed=5),
    posenet(score_threshold=0.999),
    posenet(stride=8, seed=6),
    posenet(max_detections=0),
    *(posenet(MASK, MASK, masks=True, seed=s, max_detections=4, score_threshold=0.2) for s in range(2)),
    posenet(MASK, MASK, masks=True, score_threshold=0.9999),
    *(quantized(seed) for seed in range(6)),
    posenet(masks=True, error="33x33 only"),
    posenet(stride=0, error="stride"),
    posenet(max_detections=-1, error="max_detections"),
    posenet(custom_options=b"", error="PosenetDecoderOp"),
]
