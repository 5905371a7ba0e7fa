"""The two ways a command can end badly: bad input (exit code 2) and a failed run (exit code 1)."""

import re

_NOT_ON_A_LINE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # what colours a terminal
    r"|[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+"
)


def one_line(text: str) -> str:
    """A text of anybody's as one line: line ends, control characters and lone surrogates become spaces."""
    return _NOT_ON_A_LINE.sub(" ", text).strip()


class MaskSearchError(Exception):
    """An error with one line for people: what is wrong, where, and what to do."""

    exit_code = 1

    def __str__(self) -> str:
        return one_line(super().__str__())


class BadInput(MaskSearchError):
    """The user can put it right: a wrong path, field, label, endpoint. Nothing was changed."""

    exit_code = 2


class RunFailed(MaskSearchError):
    """Work was begun and could not be finished; what was finished is kept, and the next run goes on from it."""


class JobLost(RunFailed):
    """A part of a job (a rank, an engine) died from outside: the job is started again (tasks/jobs/watching.py)."""
