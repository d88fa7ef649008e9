"""How ops become launches, one family a file. Importing this registers them all (lowering.LOWERINGS)."""

from subgraft.backends.opencl.ops import (  # noqa: F401
    concatenation,
    movement,
    padding,
    pooling,
    reduction,
    resize,
    softmax,
)
