"""How a command can end before its work is done: bad input (exit code 2), a failed run (1), a stopped one (130)."""

TERMINATED = 143
"""Exit code of a process that SIGTERM ended, and of a job that was asked to stop; both have saved what they had."""


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


class Stopped(RunFailed):
    """Somebody asked the run to stop: Ctrl-C, ``masksearch stop``, a cancelled flow run. Its job saved its state."""

    exit_code = 130
