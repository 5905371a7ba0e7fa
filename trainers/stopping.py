"""SIGTERM, noted: a training ends at the next place from which it can go on."""

import signal
from types import FrameType


class StopSignal:
    """Whether the process was told to stop, from the time this is made."""

    def __init__(self) -> None:
        self.received = False
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True
