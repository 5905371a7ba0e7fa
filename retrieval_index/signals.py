"""Java's handlers of the signals that it raises itself, kept where another library replaces them.

Java reads a protected page to pause its threads, and handles the SIGSEGV that follows; it finds null pointers in a
similar way. Ray, vLLM and faulthandler install handlers of their own for these signals, to report a crash. Where one of
them takes the place of Java's, the next pause of Java's threads ends the process.
"""

import ctypes
import signal
from collections.abc import Mapping

RAISED = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
_STRUCT_BYTES = 256
"""More than any platform's ``struct sigaction``, which is handed back as it was read."""
_POINTER_BYTES = ctypes.sizeof(ctypes.c_void_p)

Handlers = Mapping[signal.Signals, bytes]

_libc = ctypes.CDLL(None, use_errno=True)


def current_handlers() -> Handlers:
    """What is installed now for each signal that Java raises, as `struct sigaction`."""
    return {number: _read(number) for number in RAISED}


def restore(handlers: Handlers) -> None:
    """Install those of ``handlers`` that were replaced. Costs a microsecond for each signal if none was."""
    for number, wanted in handlers.items():
        if _read(number)[:_POINTER_BYTES] != wanted[:_POINTER_BYTES]:
            _libc.sigaction(int(number), wanted, None)


def _read(number: signal.Signals) -> bytes:
    found = ctypes.create_string_buffer(_STRUCT_BYTES)
    _libc.sigaction(int(number), None, found)
    return found.raw
