"""Resolves the config and the stages of a command or flow run. Nothing here starts Prefect."""

from typing import Any, get_args

from schemas.config import PipelineConfig, config_of
from schemas.config_files import document_of
from schemas.errors import BadInput
from schemas.snapshot import is_snapshot, snapshot_in, wiki_of
from tasks.ledger import storage
from tasks.making.stage import Group
from tasks.pipeline.graph import Stage, stages_of, upstream_closure

GROUPS = get_args(Group)
"""Values of `until`: groups of stages, which are built with their upstreams."""
LATEST = "latest"
"""In place of a snapshot: the snapshot of the newest complete dump."""


def configured(
    config: str | None, snapshot: str | None = None, root: str | None = None, dump: str | None = None
) -> PipelineConfig:
    """The config with the caller's overrides.

    If neither the caller nor the config names a snapshot, it is read from the names of the dump's or corpus' files.
    ``latest`` is the snapshot of the newest complete dump or corpus.

    Raises:
        BadInput: the config is invalid, or its root cannot be a folder.
    """
    for name, given in {"config": config, "snapshot": snapshot, "root": root, "dump": dump}.items():
        refuse_empty(name, given)
    if config is None:
        raise BadInput("no config: give the path of one, such as deploy/configs/sample.yaml")
    overrides: dict[str, Any] = {}
    if snapshot is not None and snapshot != LATEST:
        overrides["snapshot"] = snapshot
    if root is not None:
        overrides["runtime"] = {"root": root}
    if dump is not None:
        overrides |= {"dump": dump, "world": None, "corpus": None}
    document = document_of(config, overrides)
    if snapshot == LATEST:
        document["snapshot"] = _latest(document)
    elif "snapshot" not in document and (source := _source_in(document)) is not None:
        document["snapshot"] = _snapshot_of_corpus(source) if _is_corpus(document) else _snapshot_in(source)
    settings = config_of(config, document)
    storage.refuse_no_folder(settings.runtime.root)
    return settings


def refuse_empty(name: str, given: str | None) -> None:
    """Raises BadInput for an option with an empty value, as a script with an unset variable passes it."""
    if given == "":
        raise BadInput(f"--{name} is empty: give a value, or leave the option out")


def _latest(document: dict[str, Any]) -> str:
    """The newest snapshot; raises BadInput if the config names no wiki, or has no path of dumps with {date}."""
    from flows.dated_dumps import latest

    snapshot, source = str(document.get("snapshot", "")), _source_in(document)
    if not is_snapshot(snapshot) or source is None:
        raise BadInput("snapshot latest: the config must name a snapshot of the wiki, and a dump or corpus with {date}")
    return latest(source, wiki_of(snapshot), _is_corpus(document))


def _source_in(document: dict[str, Any]) -> str | None:
    """The path of the dump or corpus, as it is written in the config."""
    corpus = document.get("corpus")
    source = corpus.get("passages") if isinstance(corpus, dict) else document.get("dump")
    return source if isinstance(source, str) else None


def _is_corpus(document: dict[str, Any]) -> bool:
    return document.get("corpus") is not None


def _snapshot_in(path: str) -> str:
    """The snapshot in the names of a dump's files. If the path's own name contains it, the dump may be gone."""
    from tasks.dumps.dumps import find_dump
    from tasks.dumps.sums import snapshot_of_name

    snapshot = snapshot_of_name(path.rstrip("/").rpartition("/")[2]) or find_dump(path).snapshot
    if snapshot is None:
        raise BadInput(f"{path}: its name contains no snapshot (enwiki-20261101-…): set snapshot in the config")
    return snapshot


def _snapshot_of_corpus(path: str) -> str:
    """The snapshot with which the name of a corpus' file or folder begins."""
    snapshot = snapshot_in(path.rstrip("/").rpartition("/")[2])
    if snapshot is None:
        raise BadInput(f"{path}: its name does not begin with a snapshot (law-20261101…): set snapshot in the config")
    return snapshot


def wanted(config: PipelineConfig, until: str | None) -> list[Stage]:
    """The stages to build: all stages, or those of a group and their upstreams."""
    stages = stages_of(config)
    if until is None:
        return stages
    if until not in GROUPS:
        raise BadInput(f"{until!r} is not a group of stages: give one of {', '.join(GROUPS)}")
    of_group = [stage for stage in stages if stage.group == until]
    if not of_group:
        raise BadInput(f"this config has no stage in the group {until!r}: add the section that it needs")
    return upstream_closure(stages, of_group)
