"""Which of TFLite's kernel sets to use. There is one set here, so every choice gives the same answers."""

from enum import Enum, unique


@unique
class OpResolverType(Enum):
    """Accepted for compatibility: integer kernels here always equal BUILTIN_REF's, bit for bit."""

    AUTO = 0
    BUILTIN = 1
    BUILTIN_REF = 2
    BUILTIN_WITHOUT_DEFAULT_DELEGATES = 3
