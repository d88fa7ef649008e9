"""Who may fail, and what the session does about it."""


class SubgraftError(Exception):
    """Everything subgraft raises on purpose."""


class ModelError(SubgraftError, ValueError):
    """The file is wrong. Never falls back: the CPU could not run it either."""


class Unsupported(SubgraftError, RuntimeError):
    """The file may be right, but no kernel here runs this op, type or shape."""


class InvokeError(SubgraftError, RuntimeError):
    """A value met while running is wrong, such as an index out of range."""


class SessionError(SubgraftError, RuntimeError):
    """The session is closed, in use by another thread, or was made before a fork."""


class NotDelegated(SubgraftError, RuntimeError):
    """strict=True, and the CPU would have to run an op that no pin keeps there."""


class DelegateError(SubgraftError, RuntimeError):
    """The accelerator's side of the contract broke. The CPU takes over that segment.

    reason: who, what, why and what to do, in one sentence.
    """

    def __init__(self, reason: str = "") -> None:
        self.reason = reason or "it gave no reason"
        super().__init__(self.reason)


class Unavailable(DelegateError):
    """No driver, no library or no device here. Raised by Delegate.devices()."""


class Rejected(DelegateError):
    """This segment cannot be compiled, although every op in it passed check(). Raised by Delegate.compile()."""


class Failed(DelegateError):
    """The device did not finish this run. Raised by Executable.run()."""


class Overrun(Failed):
    """The device did not answer in time and may still use the arrays it was given: they are left to it."""
