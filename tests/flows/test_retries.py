"""Prefect retries nothing, even if an installation's settings say so: jobs have their own bounded restarts."""

import os
import subprocess
import sys

PROGRAM = """
from schemas.config import read_config
from tasks.pipeline.graph import stages_of
from tasks.pipeline.prefect_tasks import task_of
from flows.pipeline import pipeline

stages = stages_of(read_config("deploy/configs/sample.yaml"))
print(pipeline.retries, *{task_of(stage).retries for stage in stages})
"""


def test_an_installation_that_retries_by_default_does_not_retry_stages():
    retrying = {"PREFECT_FLOWS_DEFAULT_RETRIES": "3", "PREFECT_TASKS_DEFAULT_RETRIES": "3"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, **retrying}, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["0", "0"]
