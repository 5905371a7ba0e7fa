"""Runtime settings: a setting that the chosen backend or engine would not read is refused."""

import pytest
from pydantic import ValidationError

from schemas.runtime import EngineRuntime, KubeRayJobs, LocalJobs, RayJobs, RuntimeSettings


def jobs_of(**settings):
    return RuntimeSettings.model_validate({"root": "runs", "jobs": settings}).jobs


def test_the_backend_decides_which_settings_exist():
    assert jobs_of() == jobs_of(backend="local") == LocalJobs()
    assert jobs_of(restarts=5) == LocalJobs(restarts=5)
    assert jobs_of(stalled_minutes=None).stalled_minutes is None
    assert jobs_of(backend="ray", working_dir="/w") == RayJobs(working_dir="/w")
    pods = {"image": "i", "volume_claim": "c", "mount": "/w", "working_dir": "/w"}
    assert isinstance(jobs_of(backend="kuberay", **pods), KubeRayJobs)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"address": "http://head:8265"}, "address"),
        ({"backend": "ray", "working_dir": "/w", "image": "i"}, "image"),
        ({"backend": "kuberay", "working_dir": "/w"}, "image"),
        ({"backend": "slurm"}, "slurm"),
        ({"stuck_after": 1}, "greater than or equal to 4"),
        ({"stalled_minutes": 0}, "greater than 0"),
    ],
)
def test_a_setting_that_the_backend_would_not_read_is_refused(settings, said):
    with pytest.raises(ValidationError, match=said):
        jobs_of(**settings)


def test_the_backend_survives_the_job_s_document():
    settings = RuntimeSettings(root="runs", jobs=RayJobs(working_dir="/w", address="http://head:8265"))
    assert RuntimeSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "remote"}, "kind remote needs urls"),
        ({"kind": "remote", "urls": []}, "kind remote needs urls"),
        ({"urls": ["http://127.0.0.1:9"]}, "urls would not be used"),
    ],
)
def test_addresses_are_given_for_remote_engines_only(given, said):
    with pytest.raises(ValidationError, match=said):
        EngineRuntime.model_validate(given)


@pytest.mark.parametrize(
    ("placement", "said"),
    [
        (
            {"layout": "distributed", "weights": "ipc"},
            "weights: ipc works in layout shared only, and layout is distributed",
        ),
        (
            {"layout": "together", "weights": "broadcast"},
            "weights: broadcast works in layout distributed only, and layout is together",
        ),
        ({"layout": "shared", "gpus_per_rank": 1}, "both to 1, or both to 0"),
        ({"layout": "shared", "gpus_per_rank": 0.5, "gpus_per_engine": 0.5}, "both to 1, or both to 0"),
        ({"layout": "shared", "engines": 3}, "need 6 ranks, and ranks is 4"),
    ],
)
def test_an_impossible_placement_is_refused(placement, said):
    with pytest.raises(ValueError, match=said):
        RuntimeSettings(root="runs", ranks=4, engine=EngineRuntime(tensor_parallel=2), placement=placement)
