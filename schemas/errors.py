"""How a command can end before its work is done: bad input (exit code 2), a failed run (1), a stopped one (130)."""

import re

from pydantic import ValidationError

TERMINATED = 143
"""Exit code of a process that SIGTERM ended, and of a job that was asked to stop; both have saved what they had."""

_NOT_ON_A_LINE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # what colours a terminal
    r"|[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+"
)


def one_line(text: str) -> str:
    """A text of anybody's as one line: line ends, control characters and lone surrogates become spaces."""
    return _NOT_ON_A_LINE.sub(" ", text).strip()


def first_problem(error: ValidationError) -> str:
    """The field and what is wrong with it, as one line, and how many more there are.

    A misspelt field comes before the field that it leaves missing.
    """
    first = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    where = ".".join(str(step) for step in first["loc"]) or "config"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    what = "unknown field" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    return f"{where}: {what}{more}"


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


class Stopped(RunFailed):
    """Somebody asked the run to stop: Ctrl-C, ``masksearch stop``, a cancelled flow run. Its job saved its state."""

    exit_code = 130
