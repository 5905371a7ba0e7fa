"""`masksearch stop`: jobs and runs under a root save their state and end, on any machine."""

from collections.abc import Sequence

from rich.console import Console

from flows.selection import refuse_empty
from schemas.errors import BadInput, Stopped
from tasks.jobs import stopping
from tasks.jobs.stopping import Place
from tasks.ledger import storage


def stop(root: str, names: Sequence[str], console: Console) -> None:
    """Ask all work under the root, or the work with these names, to stop, and wait until it has stopped.

    Raises:
        BadInput: the root has no pipeline, or the pipeline has nothing with such a name.
        Stopped: Ctrl-C ended the wait; the requests stay in force.
    """
    refuse_empty("root", root)
    storage.refuse_no_folder(root)
    places = list(stopping.places_under(root))
    if not places:
        raise BadInput(f"{root}: no pipeline here: give --root, the root folder or bucket of a pipeline")
    working = [place for place in _chosen(root, places, names) if stopping.is_at_work(place)]
    if not working:
        console.print(f"{root}: nothing is running", highlight=False)
        return
    for place in working:
        stopping.ask(place)
        console.print(f"{place}: asked to save its state and stop", highlight=False)
    try:
        for place in working:
            with console.status(f"waiting for {place}; Ctrl-C ends the wait, not the request"):
                how = stopping.wait(place)
            console.print(f"[green]✓[/] {place}: {how}", highlight=False)
    except KeyboardInterrupt:
        raise Stopped("the wait has ended; the request stands, and the work will stop by itself") from None
    console.print("run masksearch run with the same config to continue", highlight=False)


def _chosen(root: str, places: Sequence[Place], names: Sequence[str]) -> list[Place]:
    """The places with a named snapshot, stage or stage/label; if both kinds are named, the places with both."""
    snapshots = {place.snapshot for place in places}
    chosen = list(places)
    for kind in ([name for name in names if name in snapshots], [name for name in names if name not in snapshots]):
        if not kind:
            continue
        for name in kind:
            if not any(_has_name(place, name) for place in places):
                existing = ", ".join(dict.fromkeys([*sorted(snapshots), *(place.name for place in places)]))
                raise BadInput(f"{root}: nothing is named {name}: give one of {existing}")
        chosen = [place for place in chosen if any(_has_name(place, name) for name in kind)]
    return chosen


def _has_name(place: Place, name: str) -> bool:
    stage, _, label = place.name.partition("/")
    return name in (place.snapshot, place.name, stage, label)
