"""Which config, and which of its stages, a command or a flow run means. Nothing here starts Prefect."""

from typing import Any, get_args

from schemas.config import PipelineConfig, config_of, document_of
from schemas.errors import BadInput
from schemas.snapshot import is_snapshot, wiki_of
from tasks.ledger import storage
from tasks.making.stage import Group
from tasks.pipeline.graph import Stage, stages_of, upstream_closure

GROUPS = get_args(Group)
"""What `until` may name: the stages of a group and what they are made from."""
LATEST = "latest"
"""In place of a snapshot: that of the newest dump that is there and whole."""


def configured(
    config: str | None, snapshot: str | None = None, root: str | None = None, dump: str | None = None
) -> PipelineConfig:
    """The config with what the caller overrides. Where nobody names a snapshot, the dump's files do; the newest dump's
    is `latest`.

    Raises:
        BadInput: the config is wrong, or its root can be none.
    """
    for name, given in {"config": config, "snapshot": snapshot, "root": root, "dump": dump}.items():
        refuse_empty(name, given)
    if config is None:
        raise BadInput("no config is named: give the path of one, such as deploy/configs/sample.yaml")
    overrides: dict[str, Any] = {}
    if snapshot is not None and snapshot != LATEST:
        overrides["snapshot"] = snapshot
    if root is not None:
        overrides["runtime"] = {"root": root}
    if dump is not None:
        overrides |= {"dump": dump, "world": None}
    document = document_of(config, overrides)
    if snapshot == LATEST:
        document["snapshot"] = _latest(document)
    elif "snapshot" not in document and isinstance(document.get("dump"), str):
        document["snapshot"] = _told_by(document["dump"])
    settings = config_of(config, document)
    storage.refuse_no_folder(settings.runtime.root)
    return settings


def refuse_empty(name: str, given: str | None) -> None:
    """Raises BadInput for an option that a script has given, and left empty."""
    if given == "":
        raise BadInput(f"--{name} is empty: give one, or leave it out")


def _latest(document: dict[str, Any]) -> str:
    """Raises BadInput where the config does not say of which wiki, or where dumps of any date would lie."""
    from flows.dated_dumps import latest

    snapshot, dump = str(document.get("snapshot", "")), document.get("dump")
    if not is_snapshot(snapshot) or not isinstance(dump, str):
        raise BadInput("snapshot latest: the config must hold a snapshot, whose wiki is meant, and a dump with {date}")
    return latest(dump, wiki_of(snapshot))


def _told_by(path: str) -> str:
    """The snapshot that a dump's files are named after. Where its own name tells it, the dump may be gone."""
    from tasks.dumps.dumps import find_dump
    from tasks.dumps.sums import snapshot_of_name

    told = snapshot_of_name(path.rstrip("/").rpartition("/")[2]) or find_dump(path).snapshot
    if told is None:
        raise BadInput(f"{path}: its name does not tell the snapshot (enwiki-20261101-…): give snapshot")
    return told


def wanted(config: PipelineConfig, until: str | None) -> list[Stage]:
    """The stages to build: all, or those of a group and what they are made from."""
    stages = stages_of(config)
    if until is None:
        return stages
    if until not in GROUPS:
        raise BadInput(f"{until!r} names no group of stages; there are {', '.join(GROUPS)}")
    of_group = [stage for stage in stages if stage.group == until]
    if not of_group:
        raise BadInput(f"this config has no stage of {until!r}: it lacks that section")
    return upstream_closure(stages, of_group)
