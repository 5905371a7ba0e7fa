"""Jobs as RayJobs on Kubernetes: the manifest, and a ``kubectl`` that plays the operator and runs the entry points."""

import json
import os
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from schemas.errors import RunFailed
from schemas.runtime import KubeRayJobs, PodGroup, RuntimeSettings
from tasks import jobs
from tasks.jobs.backend import attempt_name, entry_point
from tasks.jobs.folder import STARTED, attempts_of, read, write
from tasks.jobs.manifest import ray_job, to_yaml
from tests.support.cluster import Cluster
from tests.support.sleepers import SLEEPER, job, starts, wait_until_started

ROOT = Path(__file__).parents[3]
KUBERNETES = ROOT / "deploy" / "kubernetes"
SCHEMA = json.loads((KUBERNETES / "rayjob.schema.json").read_text())

EXAMPLE = yaml.safe_load((KUBERNETES / "jobs.example.yaml").read_text())["runtime"]
SETTINGS = RuntimeSettings.model_validate(EXAMPLE)
LARGE = SETTINGS.jobs


def manifest_of(runtime):
    output = "/shared/runs/enwiki-20261101/models/ramp-rl"
    return ray_job(attempt_name(output, 1), entry_point("trainers.dapo", output, runtime), output, runtime)


def test_the_manifest_is_the_one_that_is_shipped_as_an_example():
    assert to_yaml(manifest_of(LARGE)) == (KUBERNETES / "rayjob.example.yaml").read_text()


def test_the_cluster_of_the_example_holds_the_processes_that_it_places():
    placement, pods = SETTINGS.placement, [LARGE.head, *(pod for pod in LARGE.workers for _ in range(pod.replicas))]
    asked = [
        (SETTINGS.ranks, placement.cpus_per_rank, placement.gpus_per_rank),
        (placement.engines, placement.cpus_per_engine, placement.gpus_per_engine),
        (placement.searchers, placement.cpus_per_searcher, 0),
        (1, LARGE.cpus, LARGE.gpus),
    ]
    assert sum(count * gpus for count, _, gpus in asked) == sum(pod.gpus for pod in pods), "none is left idle"
    assert sum(count * cpus for count, cpus, _ in asked) <= sum(pod.cpus for pod in pods)


BARE = {"workers": [], "secret": None, "image_pull_secrets": [], "service_account": None}


@pytest.mark.parametrize(
    ("toleration", "said"),
    [
        ({"operator": "Equal", "key": "gpu"}, "operator Equal needs key and value"),
        ({"key": "gpu", "value": "h200"}, "Exists reads no value"),
        ({"key": "gpu", "effect": "Never"}, "NoSchedule"),
    ],
)
def test_a_toleration_that_the_operator_would_refuse_is_refused(toleration, said):
    with pytest.raises(ValueError, match=said):
        PodGroup(name="gpus", tolerations=[toleration])


@pytest.mark.parametrize("runtime", [LARGE, LARGE.model_copy(update=BARE)])
def test_the_manifest_is_a_rayjob(runtime):
    jsonschema.validate(yaml.safe_load(to_yaml(manifest_of(runtime))), SCHEMA)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"backoffLimits": 0}, "backoffLimits"),
        ({"submissionMode": "Http"}, "Http"),
        ({"entrypointNumCpus": "4"}, "is not of type 'number'"),
    ],
)
def test_the_schema_refuses_what_the_operator_would(change, said):
    manifest = manifest_of(LARGE)
    manifest["spec"] |= change
    with pytest.raises(jsonschema.ValidationError, match=said):
        jsonschema.validate(manifest, SCHEMA)


@pytest.fixture
def kubernetes(tmp_path, monkeypatch):
    """The folder of a cluster, with a ``kubectl`` that plays it first on the path."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m tests.support.cluster {folder} "$@" 2> {folder}/errors\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def runtime(tmp_path):
    return KubeRayJobs(
        image="any",
        volume_claim="any",
        mount=str(tmp_path),
        working_dir=str(ROOT),
        python=sys.executable,
        poll_seconds=0.2,
    )


def test_a_job_is_applied_once_and_started_again_under_the_next_name(tmp_path, kubernetes, runtime):
    dying = job(tmp_path, seconds=0.3, signals=[9])
    for _ in range(2):
        jobs.start_or_attach(SLEEPER, dying, runtime)
    assert jobs.watch(dying.output, lambda _: None).figures == {"slept": 0.3}
    assert Cluster(kubernetes).names() == [attempt_name(dying.output, number) for number in (1, 2)]
    assert (kubernetes / "calls").read_text().count("apply") == 2
    (attempt,) = attempts_of(dying.output)
    assert "exit code 137" in attempt.how
    assert len(starts(tmp_path)) == 2


def test_a_cancelled_job_saves_and_leaves(tmp_path, kubernetes, runtime):
    sleeping = job(tmp_path, seconds=60.0)
    jobs.start_or_attach(SLEEPER, sleeping, runtime)
    wait_until_started(tmp_path)
    jobs.cancel(sleeping.output)
    assert (tmp_path / "job" / "saved").read_text() == "what it had"
    assert not jobs.is_running(sleeping.output)


def test_a_job_that_waits_for_its_cluster_says_so_and_one_that_is_refused_ends(tmp_path, kubernetes, runtime):
    told, there = kubernetes / "told.json", kubernetes / "applied"
    told.write_text('{"status": {"jobStatus": "", "jobDeploymentStatus": "Suspended"}}')
    kubectl = f'#!/bin/sh\ncase "$3" in apply) touch {there};; get) test ! -e {there} || cat {told};; esac\n'
    (tmp_path / "bin" / "kubectl").write_text(kubectl)
    waiting = job(tmp_path)
    jobs.start_or_attach(SLEEPER, waiting, runtime.model_copy(update={"restarts": 0}))
    started = read(waiting.output, STARTED, jobs.StartedJob)
    assert started is not None
    write(waiting.output, STARTED, started.model_copy(update={"started": started.started - 12 * 60}))
    said, seen = [], []

    def refuse(progress):
        said.append(progress.note)
        seen.append(str(jobs.look(waiting.output)))
        refused = {"jobStatus": "", "jobDeploymentStatus": "ValidationFailed", "message": "The RayJob spec is invalid"}
        told.write_text(json.dumps({"status": refused}))

    with pytest.raises(RunFailed, match=r"was ended on Kubernetes: The RayJob spec is invalid"):
        jobs.watch(waiting.output, refuse)
    assert said == ["has waited for its cluster (Suspended) for 12 minutes"]
    assert seen == ["has waited for resources for 12 minutes"]


def test_what_kubectl_refuses_is_told_in_one_line(tmp_path, kubernetes, runtime):
    (tmp_path / "bin" / "kubectl").write_text("#!/bin/sh\necho 'error: no context' >&2\nexit 1\n")
    with pytest.raises(RunFailed, match=r"^kubectl get failed: error: no context$"):
        jobs.start_or_attach(SLEEPER, job(tmp_path), runtime)
