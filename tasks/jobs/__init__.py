"""Jobs: work of minutes or hours in a separate process, which outlives the flow that started it.

A job is a module (``python -m MODULE CONFIG.json``) and an output folder. The folder is its identity: a flow that
starts the same job again attaches to the running one, here or on a cluster (``runtime.jobs``). Files in the folder:

    job.json         the last attempt: when and where it was started, and its number
    job-config.json  the job's settings (schemas/jobs.py)
    job.lock         locked by the process while it lives
    job.log          the output of all attempts
    heartbeat        touched every second while its Python runs
    progress.json    its progress
    stop             a request to save its state and end, without a restart
    stop-ranks       its main process asks its ranks on a Ray cluster to end
    attempts.jsonl   the failed attempts: how each ended, and the last lines of its log
    job-error.json   the reason of its end, if the job could write it
    result.json      its figures, written last: the job is done

Each kind of process is restarted in one place only. The watcher (watching.py) restarts a job that died, is stuck, or
was ended without a request to stop, at most ``runtime.jobs.restarts`` times after each start by a user. The job
restarts its own ranks, engines and searchers on a Ray cluster (``runtime.placement.restarts``). Prefect's tasks, Ray
Jobs and KubeRay restart nothing. After any restart the job continues from its last checkpoint, part or journal.
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
