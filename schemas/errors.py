"""How a command can end before its work is done: bad input (exit code 2), a failed run (1), a stopped run (130)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

TERMINATED = 143
"""Exit code of a process that SIGTERM ended and of a job that was asked to stop; both have saved their state."""

_NOT_ON_A_LINE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # a whole escape sequence (CSI): without its first byte the rest would be left as text
    r"|[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+"
)


def one_line(text: str) -> str:
    """Any text as one line: line ends, control characters and lone surrogates become spaces."""
    return _NOT_ON_A_LINE.sub(" ", text).strip()


def first_problem(error: ValidationError, document: Any = None) -> str:
    """The field and what is wrong with it, as one line, and how many more there are.

    A misspelt field comes before the field that it leaves missing. ``document`` is what was validated: with it, an
    entry of a list is called by its name.
    """
    first = min(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    where = ".".join(_places(first["loc"], document)) or "config"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {_what(first)}{more}"


def _places(location: Iterable[int | str], document: Any) -> Iterator[str]:
    here = document
    for step in location:
        if isinstance(here, Mapping):
            if step not in here and here.get("kind") == step:
                continue  # pydantic names the kind that it chose, which is no field
            here = here.get(step)
            yield str(step)
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
            yield str(here["name"] if isinstance(here, Mapping) and "name" in here else step)
        else:
            yield str(step)


def _what(problem: "ErrorDetails") -> str:
    context = problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            return "unknown field"
        case "union_tag_invalid":
            kinds = context["expected_tags"].replace("'", "")
            return f"there is no kind {context['tag']!r}: choose one of {kinds}"
        case "union_tag_not_found":
            return "it has no kind: add the field kind"
    return problem["msg"].removeprefix("Value error, ")


class MaskSearchError(Exception):
    """An error whose one line says what is wrong, where, and what to do."""

    exit_code = 1

    def __str__(self) -> str:
        return one_line(super().__str__())


class BadInput(MaskSearchError):
    """The user can correct the input: a wrong path, field, label or endpoint. Nothing was changed."""

    exit_code = 2


class RunFailed(MaskSearchError):
    """Work began and could not be finished. Finished work is kept, and the next run continues from it."""


class JobLost(RunFailed):
    """A process of a job (a rank, an engine) was killed from outside; the job starts again (tasks/jobs/watching.py)."""


class Stopped(RunFailed):
    """The run was asked to stop: Ctrl-C, ``masksearch stop``, a cancelled flow run. Its job saved its state."""

    exit_code = 130
