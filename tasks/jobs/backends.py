"""The backends of jobs, one for each kind of ``runtime.jobs``."""

from collections.abc import Callable
from typing import Any

from schemas.runtime import JobsRuntime
from tasks.jobs.backend import Backend


def _local(_: Any) -> Backend:
    from tasks.jobs.local import LocalBackend

    return LocalBackend()


def _ray(runtime: Any) -> Backend:
    from tasks.jobs.ray_jobs import RayBackend

    return RayBackend(runtime)


def _kuberay(runtime: Any) -> Backend:
    from tasks.jobs.kuberay import KubeRayBackend

    return KubeRayBackend(runtime)


_BACKENDS: dict[str, Callable[[Any], Backend]] = {"local": _local, "ray": _ray, "kuberay": _kuberay}
"""Each entry imports its backend when it is called, because ray and psutil take seconds to import."""


def backend_of(runtime: JobsRuntime) -> Backend:
    """The backend of these settings."""
    return _BACKENDS[runtime.backend](runtime)
