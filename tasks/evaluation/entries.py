"""The answers of one label, read back with the conditions under which they were given.

The conditions are what two contestants must share for a fair comparison: the questions, the index, the limits of the
agent, the decoding. The model, its way to answer and its retrieval are what is compared. Seeds are no condition:
answers of the same making that differ only by seeds are repeats of one contestant.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from schemas.errors import BadInput
from schemas.manifest import Recipe, StageManifest, digest_of
from schemas.paths import local_path
from schemas.records import Answer
from tasks.evaluation.metrics import Columns
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger, flat

_OF_CONTESTANT = ("retrieval", "way", "protocol")
_LIMITS = "protocol.limits."
_OF_REPORT = ("evaluation.bootstrap", "evaluation.part_rows")
"""Settings that change no answer."""
_SEED = "seed"
_DIGITS = 12


@dataclass(frozen=True)
class Entry:
    """One finished stage of answers. ``path`` is as given."""

    path: str
    ledger: Ledger
    manifest: StageManifest
    answers: list[Answer]

    @property
    def label(self) -> str:
        return self.manifest.recipe.label

    @cached_property
    def columns(self) -> dict[tuple[str, str], Columns]:
        """By set and decoding."""
        grouped: dict[tuple[str, str], list[Answer]] = {}
        for row in self.answers:
            grouped.setdefault((row.set, row.decoding), []).append(row)
        return {name: Columns.of(rows) for name, rows in grouped.items()}

    @cached_property
    def conditions(self) -> dict[str, Any]:
        """By name. Digests stand for the questions and for how the index was built."""
        settings = _read(self.manifest.recipe.settings)
        found = {field: value for field, value in settings.items() if field.partition(".")[0] not in _OF_CONTESTANT}
        limits = {field.removeprefix(_LIMITS): value for field, value in settings.items() if field.startswith(_LIMITS)}
        found |= {f"agent.{name}": value for name, value in limits.items() if value is not None}
        found["the version of the code that answered"] = self.manifest.recipe.version
        for upstream in self.manifest.recipe.upstreams:
            if upstream.stage == "index":
                # Lucene's files differ from build to build, so an index is known by its recipe.
                recipe = self.ledger.recipe(upstream.stage, upstream.label)
                found["the index"] = (recipe.fingerprint if recipe else upstream.digest)[:_DIGITS]
            if upstream.stage == "questions":
                found[f"questions/{upstream.label}"] = upstream.digest[:_DIGITS]
        for name in dict.fromkeys(row.set for row in self.answers):
            asked = sorted({(row.question_id, *row.gold) for row in self.answers if row.set == name})
            found[f"the questions asked of {name}"] = digest_of(asked)[:_DIGITS]
        return found

    @cached_property
    def making(self) -> str:
        """A digest of how the answers were made, from the dump on, without seeds and labels.

        The digest of an upstream's content stands for its recipe where that is gone.
        """
        return _making(self.ledger, self.manifest.recipe, {})


def read_entry(path: str) -> Entry:
    """The answers in a folder ``ROOT/SNAPSHOT/answers/LABEL``.

    Raises:
        BadInput: the path is not such a folder, or its answers are not finished.
    """
    steps = local_path(path).rstrip("/").split("/")
    if len(steps) < 3 or steps[-2] != "answers":
        raise BadInput(f"{path}: no folder of answers: give ROOT/SNAPSHOT/answers/LABEL")
    root = "/".join(steps[:-3]) or ("/" if len(steps) > 3 else ".")
    ledger = Ledger(root, steps[-3])
    manifest = ledger.manifest("answers", steps[-1])
    if manifest is None:
        raise BadInput(f"{path}: no finished answers (stage.json): check the path, or run `masksearch evaluate` first")
    paths = ledger.data_paths("answers", steps[-1])
    return Entry(path, ledger, manifest, [row for part in paths for row in storage.read_rows(part, Answer)])


def _making(ledger: Ledger, recipe: Recipe, known: dict[tuple[str, str], str]) -> str:
    """See `Entry.making`. ``known`` holds the digests of upstreams, which many stages share."""
    upstreams = []
    for each in recipe.upstreams:
        name = (each.stage, each.label)
        if name not in known:
            own = ledger.recipe(*name)
            known[name] = _making(ledger, own, known) if own else each.digest
        upstreams.append(known[name])
    return digest_of([recipe.stage, recipe.version, _read(recipe.given), sorted(upstreams)])


def _read(settings: dict[str, Any]) -> dict[str, Any]:
    """By field the settings that are no seeds and that change what is computed."""
    return {
        field: _seedless(value)
        for field, value in flat(settings).items()
        if field.rpartition(".")[2] != _SEED and field not in _OF_REPORT
    }


def _seedless(value: Any) -> Any:
    """A list whose items may be settings, without their seeds."""
    if isinstance(value, list):
        return [_read(item) if isinstance(item, dict) else _seedless(item) for item in value]
    return value
