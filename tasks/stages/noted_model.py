"""Models outside the root, whose files are not copied: a stage notes their digest, and refuses other files later."""

from collections.abc import Mapping

from schemas.errors import BadInput
from schemas.identity import Reads
from schemas.manifest import StageManifest, digest_of
from tasks.ledger import outside, storage
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making


class NotedReads(Reads):
    """No settings: the model is identified by the digest of its files."""


def note_model(making: Making, folder: str, setting: str) -> StageManifest:
    """Finish a stage with the digest of the model in ``folder``, which ``setting`` of the config names.

    Raises:
        BadInput: there is no model.
    """
    paths = files_of(folder)
    if not paths:
        raise BadInput(f"{setting} {folder}: no model there: give a folder with a language model")
    seen, digest = outside.look_at(paths), _digest_of(paths)
    storage.write_bytes(storage.join(making.folder, "sha256"), f"{digest}\n".encode())
    outside.remember(making.folder, [folder], seen)
    return making.open.finish(figures={"bytes": sum(file.size or 0 for file in seen.values()), "sha256": digest})


def changes_of_model(ledger: Ledger, built: StageManifest, folder: str, what: str) -> list[str]:
    """How the model in ``folder`` differs from the noted one, in words.

    Raises:
        RunFailed: a store does not answer.
    """
    with outside.asking(folder):
        paths = files_of(folder)
    noted = outside.Noted(what, built.figures["sha256"], built.figures["bytes"])
    noted_in = ledger.folder(built.recipe.stage, built.recipe.label)
    return outside.changes_of(noted_in, [folder], paths, noted, lambda _: _digest_of(paths))


def files_of(folder: str) -> dict[str, str]:
    """The paths of a model's files by name."""
    return {name: storage.join(folder, name) for name, _ in storage.tree_of(folder)}


def _digest_of(paths: Mapping[str, str]) -> str:
    return digest_of({name: storage.digest_of_file(path) for name, path in paths.items()})
