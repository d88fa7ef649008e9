"""Looks for lost devices off the hot path, and makes their segments ready again."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from subgraft.delegates import Health, Unavailable
from subgraft.interpreter.attachment import Attachment
from subgraft.interpreter.report import Event, Report


class Watch:
    """A thread that lives while a device is gone, or a segment has lost its executable.

    bug: an error in a delegate that is none of the contract's; the session raises it.
    """

    def __init__(self, attachments: Sequence[Attachment], report: Report, probe_s: float) -> None:
        self.bug: BaseException | None = None
        self._attachments = attachments
        self._report = report
        self._probe_s = probe_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Something was lost."""
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._serve, name="subgraft-watch", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Ends the thread after what it is doing now."""
        self._stop.set()

    def _serve(self) -> None:
        while not self._stop.wait(self._probe_s):
            try:
                for attachment in self._attachments:
                    if _is_lost(attachment):
                        self._look_for(attachment)
            except BaseException as error:
                self.bug = error
                return
            with self._lock:
                if not any(_is_lost(attachment) for attachment in self._attachments):
                    self._thread = None
                    return

    def _look_for(self, attachment: Attachment) -> None:
        with attachment.busy_with_it:
            if self._stop.is_set() or attachment.ask() is not Health.OK:
                return
            try:
                device = attachment.open()
            except Unavailable:
                return
            was_gone = attachment.state is Health.GONE
            lanes = [lane for lane in list(attachment.lanes) if was_gone or lane.executable is None]
            renewed = [lane.renew(device) for lane in lanes]
            attachment.state = Health.OK
        if any(renewed):
            self._report.add(Event("back", attachment.name, f"used again by {sum(renewed)} of {len(lanes)} segments"))


def _is_lost(attachment: Attachment) -> bool:
    return attachment.state is Health.GONE or any(
        lane.executable is None and not lane.is_dead for lane in list(attachment.lanes)
    )
