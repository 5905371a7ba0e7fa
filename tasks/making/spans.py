"""What is known of spans before any is chosen: how hard each is for a reference model."""

from collections.abc import Mapping

from schemas.errors import BadInput
from schemas.jobs import SurprisalJob
from schemas.manifest import StageManifest, digest_of
from schemas.records import Surprisal
from tasks import storage
from tasks.making.context import Making
from tasks.ramp.weigh import passages_key


def make_reference(making: Making) -> StageManifest:
    """Take note of the reference model: its files stay where they are."""
    settings = making.config.ramp.reference
    assert settings is not None
    files = storage.tree_of(settings.path)
    if not files:
        raise BadInput(f"ramp.reference.path {settings.path}: no model there")
    digest = digest_of({path: storage.digest_of_file(storage.join(settings.path, path)) for path, _ in files})
    storage.write_bytes(storage.join(making.folder, "sha256"), f"{digest}\n".encode())
    return making.open.finish(figures={"bytes": sum(size for _, size in files), "sha256": digest})


def make_surprisals(making: Making) -> StageManifest:
    """A job: the reference model weighs every span that may be masked."""
    job = SurprisalJob(
        output=making.folder,
        snapshot=making.snapshot,
        settings=making.config.ramp,
        passages=making.upstream_parts("passages"),
        aliases=list(making.upstream_parts("aliases").values()),
        engine=making.config.runtime.engine,
        fingerprint=making.open.recipe.fingerprint,
    )
    result = making.run_job("tasks.ramp.weigh", job)
    parts = making.open.parts(Surprisal).done()
    return making.open.finish(parts=parts, figures=result.figures, seconds=result.seconds)


def surprisal_paths(making: Making) -> Mapping[str, list[str]]:
    """Where the weights of each passages part lie, by its key."""
    found: dict[str, list[str]] = {key: [] for key in making.upstream_parts("passages")}
    for key, path in making.upstream_parts("surprisals").items():
        found[passages_key(key)].append(path)
    return found
