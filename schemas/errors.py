"""The two ways a command can end badly: bad input (exit code 2) and a failed run (exit code 1)."""


class MaskSearchError(Exception):
    """An error with one line for people: what is wrong, where, and what to do."""

    exit_code = 1


class BadInput(MaskSearchError):
    """The user can put it right: a wrong path, field, label, endpoint. Nothing was changed."""

    exit_code = 2


class RunFailed(MaskSearchError):
    """Work was begun and could not be finished; what was finished is kept, and the next run goes on from it."""


class JobLost(RunFailed):
    """A part of a job (a rank, an engine) died from outside: the job is started again (tasks/jobs/watching.py)."""
