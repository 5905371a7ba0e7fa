"""The record of what is finished: plain files beside the data state how it was built and whether it is complete.

    {root}/{snapshot}/{stage}/{label}/recipe.json           how the stage is built; written before its first part
                                     /part-{key}.parquet    a part, complete or absent
                                     /rejects-{key}.parquet its dropped and failed rows
                                     /part-{key}.json       its manifest, written last: the part is done
                                     /stage.json            the stage is done and its gates have passed
                                     /lease-{token}.json    the run that builds it now (tasks/ledger/leases.py)
                                     /outside.json          the outside files that it read (tasks/ledger/outside.py)

A build with other settings never overwrites a stage under the same label: it is refused, and the error names the
differences.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from schemas.errors import BadInput, RunFailed
from schemas.manifest import Gate, PartManifest, Recipe, StageManifest, digest_of
from schemas.records import Record, Reject
from schemas.snapshot import date_of, is_snapshot, wiki_of
from tasks.ledger import leases, storage

RECIPE = "recipe.json"
STAGE = "stage.json"
OUTSIDE = "outside.json"
Document = TypeVar("Document", bound=BaseModel)
_NOTHING: Mapping[str, int] = MappingProxyType({})


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


@cache
def commit_of_code() -> str:
    """The git commit of the running code, with ``+`` if the tree differs from it; ``unknown`` for a wheel."""
    import subprocess
    from pathlib import Path

    def git(*words: str) -> str:
        run = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
        return run.stdout.strip() if run.returncode == 0 else ""

    commit = git("rev-parse", "--short=12", "HEAD")
    return (commit + ("+" if git("status", "--porcelain", "-uno") else "")) or "unknown"


def _read(path: str, model: type[Document]) -> Document:
    """Raises BadInput where a document of the ledger is damaged, FileNotFoundError where it does not exist."""
    try:
        return storage.read_document(path, model)
    except ValidationError:
        raise BadInput(
            f"{path}: damaged, or written by another version: remove it and run again; only missing parts are rebuilt"
        ) from None


class Parts:
    """The parts of one build of a stage: lists the finished parts and commits new ones. Safe to use in many processes.

    With a ``lease`` (its token, tasks/ledger/leases.py) a commit is refused once another run has taken the stage over.
    """

    def __init__(
        self, folder: str, fingerprint: str, model: type[Record], snapshot: str, lease: int | None = None
    ) -> None:
        self.folder, self.fingerprint, self.model, self.snapshot = folder, fingerprint, model, snapshot
        self._lease = lease

    def data_path(self, key: str) -> str:
        return storage.join(self.folder, f"part-{key}.parquet")

    def rejects_path(self, key: str) -> str:
        """The file of a part's dropped and failed rows. It exists only if the part has such rows."""
        return storage.join(self.folder, f"rejects-{key}.parquet")

    def done(self) -> dict[str, PartManifest]:
        """Finished parts by key: the manifest has this fingerprint, and the data has the size that it states."""
        names = storage.names_in(self.folder)
        finished = {}
        for name in names:
            if not (name.startswith("part-") and name.endswith(".json")):
                continue
            manifest = _read(storage.join(self.folder, name), PartManifest)
            path = self.data_path(manifest.key)
            whole = storage.exists(path) and storage.size_of(path) == manifest.bytes
            if manifest.fingerprint == self.fingerprint and whole:
                finished[manifest.key] = manifest
        return finished

    def commit(
        self, key: str, rows: Iterable[Record], rejects: Sequence[Reject], inputs: dict[str, str], started: float
    ) -> PartManifest:
        """`commit_table` of these rows."""
        return self.commit_table(key, storage.gathered(self.model, rows), rejects, inputs, started)

    def commit_table(
        self,
        key: str,
        table: pa.Table,
        rejects: Sequence[Reject],
        inputs: dict[str, str],
        started: float,
        figures: Mapping[str, int] = _NOTHING,
    ) -> PartManifest:
        """Write a part: data, rejects, then the manifest. ``started`` is the ``time.time()`` at which its work began.

        Raises:
            RunFailed: another run has taken the stage over.
        """
        data = storage.parquet_bytes(table)
        if self._lease is not None:
            leases.check(self.folder, self._lease)
        storage.write_bytes(self.data_path(key), data)
        dropped = self.rejects_path(key)
        if rejects:
            storage.write_rows(dropped, Reject, rejects)
        else:
            storage.remove(dropped)  # left by an earlier try whose failed rows have succeeded now
        reasons: dict[str, int] = {}
        for reject in rejects:
            reasons[reject.reason] = reasons.get(reject.reason, 0) + 1
        manifest = PartManifest(
            key=key,
            fingerprint=self.fingerprint,
            inputs=inputs,
            rows=table.num_rows,
            rejects=dict(sorted(reasons.items())),
            failed=sum(reject.failed for reject in rejects),
            digest=storage.digest_of_bytes(data),
            bytes=len(data),
            started=_utc(started),
            seconds=round(time.time() - started, 3),
            figures=dict(sorted(figures.items())),
        )
        storage.write_document(storage.join(self.folder, f"part-{key}.json"), manifest)
        return manifest


class OpenStage:
    """A stage that is being built: its folder and recipe, and the call that finishes it."""

    def __init__(self, ledger: "Ledger", recipe: Recipe, key: str | None = None) -> None:
        self.ledger, self.recipe, self._key, self._began = ledger, recipe, key, time.time()
        self.folder = ledger.folder(recipe.stage, recipe.label)

    def parts(self, model: type[Record], lease: int | None = None) -> Parts:
        return Parts(self.folder, self.recipe.fingerprint, model, self.ledger.snapshot, lease)

    def refusal(self, differences: Sequence[str]) -> BadInput:
        """The error for a label that holds another build. It names the differences and the remedies."""
        return self.ledger.refusal(self.recipe.stage, self.recipe.label, differences, self._key)

    def finish(
        self,
        *,
        parts: dict[str, PartManifest] | None = None,
        made: str | None = None,
        gates: list[Gate] | None = None,
        figures: dict[str, Any] | None = None,
        rows: int | None = None,
        seconds: float | None = None,
    ) -> StageManifest:
        """Write ``stage.json``. The digest covers the parts, or ``made``, a subfolder with its own file format.

        ``seconds`` is the duration of the work if a job did it (it may outlive the flow); default: since opening.

        Raises:
            RunFailed: a gate does not hold. The stage stays unfinished, and stages that depend on it are not built.
        """
        broken = [f"{gate.name}: {gate.detail}" for gate in gates or [] if not gate.holds]
        if broken:
            name = f"{self.recipe.stage}/{self.recipe.label}"
            raise RunFailed(f"Stage {name} did not pass its gates: {'; '.join(broken)}")
        parts = parts or {}
        rejects: dict[str, int] = {}
        for part in parts.values():
            for reason, count in part.rejects.items():
                rejects[reason] = rejects.get(reason, 0) + count
        if parts:
            digest = digest_of({key: part.digest for key, part in sorted(parts.items())})
            size = sum(part.bytes for part in parts.values())
        else:
            digest, size = _digest_of_tree(storage.join(self.folder, made) if made else self.folder)
        now = time.time()
        manifest = StageManifest(
            recipe=self.recipe,
            fingerprint=self.recipe.fingerprint,
            parts=sorted(parts),
            rows=sum(part.rows for part in parts.values()) if rows is None else rows,
            rejects=dict(sorted(rejects.items())),
            failed=sum(part.failed for part in parts.values()),
            gates=gates or [],
            figures=figures or {},
            digest=digest,
            bytes=size,
            started=_utc(self._began),
            finished=_utc(now),
            seconds=round(now - self._began if seconds is None else seconds, 2),
            commit=commit_of_code(),
        )
        storage.write_document(storage.join(self.folder, STAGE), manifest)
        return manifest


def _digest_of_tree(folder: str) -> tuple[str, int]:
    """The digest (names and contents) and the total size of all files below a folder, except the ledger's own."""
    files = [(path, size) for path, size in storage.tree_of(folder) if path not in (RECIPE, STAGE, OUTSIDE)]
    digest = digest_of({path: storage.digest_of_file(storage.join(folder, path)) for path, _ in files})
    return digest, sum(size for _, size in files)


class Ledger:
    """All stages of one snapshot under one root."""

    def __init__(self, root: str, snapshot: str) -> None:
        self.root, self.snapshot = root, snapshot

    def folder(self, stage: str, label: str) -> str:
        return storage.join(self.root, self.snapshot, stage, label)

    def manifest(self, stage: str, label: str) -> StageManifest | None:
        """The manifest of a finished stage; None if the stage is not finished."""
        try:
            return _read(storage.join(self.folder(stage, label), STAGE), StageManifest)
        except FileNotFoundError:
            return None

    def recipe(self, stage: str, label: str) -> Recipe | None:
        """The recipe with which a stage was begun; None if it was not begun."""
        try:
            return _read(storage.join(self.folder(stage, label), RECIPE), Recipe)
        except FileNotFoundError:
            return None

    def manifests(self) -> list[StageManifest]:
        """The manifests of all finished stages, in the order in which they were finished."""
        base = storage.join(self.root, self.snapshot)
        manifests = [
            manifest
            for stage in storage.names_in(base)
            for label in storage.names_in(storage.join(base, stage))
            if (manifest := self.manifest(stage, label)) is not None
        ]
        return sorted(manifests, key=lambda manifest: manifest.finished)

    def earlier(self, stage: str) -> list["Ledger"]:
        """The ledgers of the wiki's earlier snapshots under the same root that have this stage, the latest first."""
        wiki, date = wiki_of(self.snapshot), date_of(self.snapshot)
        earlier = [
            name
            for name in storage.names_in(self.root)
            if is_snapshot(name) and wiki_of(name) == wiki and date_of(name) < date
        ]
        return [
            Ledger(self.root, name)
            for name in sorted(earlier, key=date_of, reverse=True)
            if storage.names_in(storage.join(self.root, name, stage))
        ]

    def finished(self, stage: str) -> list[StageManifest]:
        """The manifests of a stage's finished builds, sorted by label."""
        labels = storage.names_in(storage.join(self.root, self.snapshot, stage))
        return [manifest for label in labels if (manifest := self.manifest(stage, label)) is not None]

    def data_paths(self, stage: str, label: str) -> list[str]:
        """Paths of the parts of a finished stage, sorted by key; empty if it is not finished."""
        manifest = self.manifest(stage, label)
        folder = self.folder(stage, label)
        return [storage.join(folder, f"part-{key}.parquet") for key in manifest.parts] if manifest else []

    def open(self, recipe: Recipe, key: str | None = None) -> OpenStage:
        """Begin a stage, or resume it. ``key`` is the name under which `labels` of a config sets its label.

        Raises:
            BadInput: the label holds a stage that was built with other inputs or settings.
        """
        known = self.recipe(recipe.stage, recipe.label) or self._begun(recipe)
        if known.fingerprint != recipe.fingerprint:
            raise self.refusal(recipe.stage, recipe.label, differences(known, recipe), key)
        return OpenStage(self, recipe, key)

    def _begun(self, recipe: Recipe) -> Recipe:
        """The recipe in force. If several runs begin a stage at once, one writes its recipe and the others read it."""
        path = storage.join(self.folder(recipe.stage, recipe.label), RECIPE)
        if storage.create(path, (recipe.model_dump_json(indent=1) + "\n").encode()):
            return recipe
        return _read(path, Recipe)

    def refusal(self, stage: str, label: str, differences: Sequence[str], key: str | None = None) -> BadInput:
        """The error for a label that holds another build. It names the differences and the remedies."""
        relabel = "" if key is None else f"another label (labels: {{{key}: …}}), "
        return BadInput(
            f"{self.folder(stage, label)} was built with other inputs or settings: {'; '.join(differences)}. "
            f"Use {relabel}another root, or remove that folder"
        )


def differences(known: Recipe, wanted: Recipe) -> list[str]:
    """The differences of two recipes, in words: settings by field, upstreams by name, the code's version."""
    changes = changed_fields(known.settings, wanted.settings)
    made = {(u.stage, u.label): u.digest for u in known.upstreams}
    given = {(u.stage, u.label): u.digest for u in wanted.upstreams}
    changed = [name for name in sorted(made.keys() | given.keys()) if made.get(name) != given.get(name)]
    changes += [f"upstream {stage}/{label} has changed" for stage, label in changed]
    if known.version != wanted.version:
        changes.append(f"the stage's code was version {known.version}, is {wanted.version}")
    return changes


def changed_fields(known: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """The differences of two nested mappings, in words, by field."""
    before, after = flat(known), flat(wanted)
    return [
        f"{field} was {before.get(field, 'not set')!r}, is {after.get(field, 'not set')!r}"
        for field in sorted(before.keys() | after.keys())
        if before.get(field) != after.get(field)
    ]


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping as fields by their dotted names."""
    fields: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            fields |= flat(value, f"{prefix}{name}.")
        else:
            fields[f"{prefix}{name}"] = value
    return fields
