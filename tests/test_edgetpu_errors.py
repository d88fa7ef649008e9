"""Every code of a USB library becomes an error that says who, what and why, and that keeps its kind for scripts."""

from __future__ import annotations

import pytest

from subgraft.backends.edgetpu import errors
from subgraft.cli.exit_codes import ExitCode, exit_code
from subgraft.delegates import DelegateError, Failed, Unavailable


class Coded(RuntimeError):
    """A USB library's error."""

    def __init__(self, code: str) -> None:
        super().__init__(f"transfer failed ({code})")
        self.code = code


KINDS = [
    ("TIMEOUT", errors.TimedOut, ExitCode.TIMEOUT),
    ("STALLED", errors.Stalled, ExitCode.RUN_FAILED),
    ("NO_DEVICE", errors.Lost, ExitCode.RUN_FAILED),
    ("BUSY", errors.Busy, ExitCode.BUSY),
    ("ACCESS", errors.NoPermission, ExitCode.PERMISSION),
    ("OVERFLOW", errors.WrongBytes, ExitCode.RUN_FAILED),
    ("IO", errors.LinkFailed, ExitCode.RUN_FAILED),
    ("NOT_FOUND", errors.NotFound, ExitCode.NOT_FOUND),
    ("NO_MEM", errors.OutOfMemory, ExitCode.RUN_FAILED),
    ("NOT_SUPPORTED", Unavailable, ExitCode.NOT_FOUND),
    ("CANCELLED", Failed, ExitCode.RUN_FAILED),
    ("INVALID", Failed, ExitCode.RUN_FAILED),
    ("NEVER_HEARD_OF", Failed, ExitCode.RUN_FAILED),
]


@pytest.mark.parametrize(("code", "kind", "ends_with"), KINDS)
def test_a_usb_code_becomes_a_typed_error_that_names_device_deed_and_code(
    code: str, kind: type[DelegateError], ends_with: ExitCode
) -> None:
    with pytest.raises(kind) as caught:
        try:
            raise Coded(code)
        except Coded as error:
            raise errors.translate(error, "reading scu_ctrl_3", "usb@2-1.3") from error
    assert type(caught.value) is kind
    for word in ("usb@2-1.3", "reading scu_ctrl_3", code):
        assert word in caught.value.reason
    assert exit_code(caught.value) is ends_with
