"""Whether a device's answer is the CPU's."""

import numpy as np

from subgraft.delegates import Array


def difference(theirs: Array, ours: Array, tolerance: float) -> str:
    """How they differ; empty when they do not.

    Integers must be equal bit for bit; floats to `tolerance` times the range of our values, NaN and infinity in the
    same places.
    """
    if theirs.dtype.kind not in "fc":
        wrong = np.count_nonzero(theirs != ours)
        if not wrong:
            return ""
        return f"{wrong} of {ours.size} values differ, by up to {_largest(theirs, ours):g}"
    finite = np.isfinite(ours)
    if not np.array_equal(np.isfinite(theirs), finite) or not np.array_equal(
        theirs[~finite], ours[~finite], equal_nan=True
    ):
        return "NaN or infinity in other places"
    if not finite.any():
        return ""
    worst = _largest(theirs[finite], ours[finite])
    values = np.abs(ours[finite])
    scale = max(float(np.ptp(ours[finite])) if ours.dtype.kind == "f" else 0.0, float(values.max()), 1e-30)
    return "" if worst <= tolerance * scale else f"off by up to {worst:g} where values reach {float(values.max()):g}"


def _largest(theirs: Array, ours: Array) -> float:
    wide = np.complex128 if ours.dtype.kind == "c" else np.float64
    return float(np.abs(theirs.astype(wide) - ours.astype(wide)).max())
