"""Checkpoints: whole or not at all, with digests; a damaged one is set aside for the one before.

    checkpoints/step-00000100/state/         weights and optimiser, a share a rank, by DeepSpeed
                             /rng-0.pt       random state of each rank
                             /progress.json  where the training is: step, position in the data, whatever its loop keeps
                             /manifest.json  size and sha256 of each file, the number of ranks, what it is of
    checkpoints/damaged-step-00000120/       set aside, until the training has come past its step again

A checkpoint is written under a temporary name, which no reader takes for one, and renamed when it is whole.

The shares of another number of ranks are first brought into DeepSpeed's universal format (trainers.universal).
"""

import json
import logging
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from schemas.errors import RunFailed
from tasks.ledger import storage
from trainers.ranks import universal
from trainers.ranks.deepspeed_engine import TrainingEngine
from trainers.ranks.origin import MANIFEST, ORIGIN
from trainers.ranks.rank_zero import on_rank_0

_PROGRESS = "progress.json"
_SET_ASIDE = "damaged-"
_TOLD = 3
_log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one training, in ``folder``; the newest ``keep`` are kept.

    ``origin`` says what they are of (trainers.origin), and is written into each.
    """

    def __init__(self, folder: Path, engine: TrainingEngine, keep: int, origin: dict[str, Any]) -> None:
        self._folder, self._engine, self._keep, self._origin = folder, engine, keep, origin

    def save(self, step: int, progress: dict[str, Any]) -> None:
        """Write a checkpoint after ``step`` steps. All ranks call this together, with the same ``progress``."""
        engine, target = self._engine, self._path(step)
        temporary = self._folder / f".{target.name}.tmp"
        if engine.rank == 0:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        engine.barrier()
        engine.save(temporary)
        torch.save(_random_state(), temporary / f"rng-{engine.rank}.pt")
        engine.barrier()
        if engine.rank == 0:
            (temporary / _PROGRESS).write_text(json.dumps({"step": step, **progress}))
            manifest = {**_manifest(temporary, engine.ranks), ORIGIN: self._origin}
            storage.write_bytes(str(temporary / MANIFEST), json.dumps(manifest).encode())
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
            self._drop_old(target)
        engine.barrier()

    def restore(self) -> dict[str, Any] | None:
        """Load the newest checkpoint that is whole and give back its progress; None where there is none at all.

        All ranks call this together. With as many ranks as wrote it all goes on to the digit; with another number
        the weights and the optimiser are the same, and sums are rounded in another order from there on.

        Raises:
            RunFailed: all that there are are damaged; or it was written by another number of ranks, and DeepSpeed
                cannot convert it.
        """
        path = on_rank_0(self._engine, self._newest_whole)
        if path is None:
            return None
        ranks = json.loads((path / MANIFEST).read_text())["ranks"]
        if ranks == self._engine.ranks:
            self._engine.load(path)
        else:
            self._load_converted(path, ranks)
        # A rank more than there were goes on from the random state of one that was.
        state = path / f"rng-{self._engine.rank % ranks}.pt"
        _set_random_state(torch.load(state, weights_only=False))
        return json.loads((path / _PROGRESS).read_text())

    def _newest_whole(self) -> Path | None:
        """Newer ones are set aside: else they would be kept as the newest, in place of whole ones."""
        damaged: list[tuple[Path, str]] = []
        for path in sorted(self._folder.glob("step-*"), reverse=True):
            damage = _damage(path)
            if damage is None:
                for newer, its_damage in damaged:
                    self._set_aside(newer, its_damage)
                return path
            damaged.append((path, damage))
        if damaged:
            newest, damage = damaged[0]
            raise RunFailed(
                f"{self._folder}: none of {len(damaged)} checkpoints is whole ({newest.name}: {damage}): put a whole "
                "one there, or remove that folder to begin again at step 0"
            )
        return None

    def _set_aside(self, path: Path, damage: str) -> None:
        aside = path.with_name(f"{_SET_ASIDE}{path.name}")
        shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
        _log.warning("%s is damaged (%s): set aside as %s, going back to the one before", path, damage, aside.name)

    def _load_converted(self, path: Path, ranks: int) -> None:
        engine, temporary = self._engine, self._folder / f".{path.name}.universal"
        if engine.rank == 0:
            shutil.rmtree(temporary, ignore_errors=True)
        on_rank_0(engine, lambda: universal.convert(engine.state_in(path), engine.state_in(temporary)))
        engine.load_universal(temporary)
        engine.barrier()
        if engine.rank == 0:
            shutil.rmtree(temporary)
            _log.warning(
                "%s was written by %d ranks and goes on with %d: converted, with the same weights and optimiser; "
                "sums are rounded in another order, so that losses differ slightly",
                path,
                ranks,
                engine.ranks,
            )

    def _path(self, step: int) -> Path:
        return self._folder / f"step-{step:08d}"

    def _drop_old(self, written: Path) -> None:
        newest_last = sorted(self._folder.glob("step-*"), key=lambda path: (path == written, path))
        passed = [path for path in self._folder.glob(f"{_SET_ASIDE}*") if path.name <= f"{_SET_ASIDE}{written.name}"]
        for path in [*newest_last[: -self._keep], *passed]:
            shutil.rmtree(path)


def _files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return sorted(str(path.relative_to(folder)) for path in found)


def _manifest(folder: Path, ranks: int) -> dict[str, Any]:
    def entry(name: str) -> dict[str, Any]:
        path = str(folder / name)
        return {"bytes": storage.size_of(path), "sha256": storage.digest_of_file(path)}

    return {"ranks": ranks, "files": {name: entry(name) for name in _files(folder)}}


def _damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint, or None."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        found = _manifest(folder, manifest["ranks"])
    except (OSError, ValueError, KeyError) as error:
        return f"manifest unreadable: {error!r}"
    names = sorted(name for name, entry in manifest["files"].items() if found["files"].get(name) != entry)
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return f"missing or changed: {', '.join(names[:_TOLD])}{more}" if names else None


def _random_state() -> dict[str, Any]:
    return {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}


def _set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
