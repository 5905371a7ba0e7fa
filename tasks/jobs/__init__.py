"""Jobs: work of minutes or hours, in a process of its own that outlives the flow which started it.

A job is a module (``python -m MODULE CONFIG.json``) and an output folder. The folder is its identity: a flow that
starts the same job again attaches to the one that runs, here or on a cluster (``runtime.jobs``). In the folder:

    job.json         what was started last, when, where, and how often
    job-config.json  what the job was told (schemas/jobs.py)
    job.lock         locked by the process while it lives
    job.log          all that it printed
    heartbeat        touched every second while its Python runs
    progress.json    how far it is
    stop             somebody asked it to save what it has and leave, for good
    stop-ranks       its main process was told to leave, and tells its ranks on a Ray cluster
    attempts.jsonl   the attempts that failed: how each ended, and the last lines of its log
    job-error.json   why it ended, where it could say so
    result.json      its figures, written last: it is done

Who starts what again, each where nobody else does: the watcher (watching.py) a job that died, was ended by others
than who asked it to stop, or is stuck, at most ``runtime.jobs.restarts`` times for every time that somebody starts it;
the job its own ranks, engines and searchers on a Ray cluster (``runtime.placement.restarts``). Prefect's tasks, Ray
Jobs and KubeRay start nothing again. Whatever it was, the job goes on from its last checkpoint, part or journal.
"""

from schemas.errors import TERMINATED
from tasks.jobs.folder import Attempt, JobError, Progress, StartedJob, result_of
from tasks.jobs.program import main, report_progress
from tasks.jobs.starting import ask_to_stop, cancel, is_running, is_stopping, start_or_attach, wait_until_stopped
from tasks.jobs.view import JobView, look
from tasks.jobs.watching import run, watch

__all__ = [
    "TERMINATED",
    "Attempt",
    "JobError",
    "JobView",
    "Progress",
    "StartedJob",
    "ask_to_stop",
    "cancel",
    "is_running",
    "is_stopping",
    "look",
    "main",
    "report_progress",
    "result_of",
    "run",
    "start_or_attach",
    "wait_until_stopped",
    "watch",
]
