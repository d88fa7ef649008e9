"""What scripts pass to load_delegate() for Google's libedgetpu, as the device string and options of "edgetpu"."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger("subgraft")

LIBRARY = re.compile(r"(?:.*[/\\])?(?:lib)?edgetpu(?:\.\d+)*\.(?:so(?:\.\d+)*|dylib|dll)", re.IGNORECASE)
DEVICE = "device"

# Options of libedgetpu (tflite/public/edgetpu_c.h) and what they are called here.
OPTIONS: Mapping[str, tuple[str, Callable[[str], str]]] = {
    "Performance": ("performance", str.lower),
    "Usb.AlwaysDfu": ("always_dfu", str.lower),
}
WITHOUT_EFFECT = ("Usb.MaxBulkInQueueLength",)  # reads are as long as the outputs here, and always posted beforehand


def translate(library: str, options: Mapping[str, Any] | None) -> tuple[str, dict[str, Any]] | None:
    """The device string and options that mean the same here; None for other libraries.

    Options that libedgetpu does not have are passed on as they are, so subgraft's own work too.
    """
    if not LIBRARY.fullmatch(library):
        return None
    given = dict(options or {})
    device = str(given.pop(DEVICE, "") or "")
    renamed = {OPTIONS[name][0]: OPTIONS[name][1](str(value)) for name, value in given.items() if name in OPTIONS}
    own = {name: value for name, value in given.items() if name not in (*OPTIONS, *WITHOUT_EFFECT)}
    spec = f"edgetpu:{device}" if device else "edgetpu"
    log.warning("%s is not loaded: subgraft drives the Edge TPU itself, as %s", library, spec)
    return spec, {**own, **renamed}
