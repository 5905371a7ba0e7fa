"""`masksearch stop`: jobs and runs under a root save what they have and end, wherever they are."""

from collections.abc import Sequence

from rich.console import Console

from flows.selection import refuse_empty
from schemas.errors import BadInput, Stopped
from tasks.jobs import stopping
from tasks.jobs.stopping import Place
from tasks.ledger import storage


def stop(root: str, names: Sequence[str], console: Console) -> None:
    """Ask everything at work under the root to stop, or what goes by these names, and wait until it has.

    Raises:
        BadInput: no pipeline lies there, or it has nothing of such a name.
        Stopped: by Ctrl-C the wait has ended; what was asked stands.
    """
    refuse_empty("root", root)
    storage.refuse_no_folder(root)
    places = list(stopping.places_under(root))
    if not places:
        raise BadInput(f"{root}: no snapshot of a pipeline lies there")
    working = [place for place in _chosen(root, places, names) if stopping.is_at_work(place)]
    if not working:
        console.print(f"{root}: nothing is at work there", highlight=False)
        return
    for place in working:
        stopping.ask(place)
        console.print(f"{place}: asked to save what it has and stop", highlight=False)
    try:
        for place in working:
            with console.status(f"waiting for {place}; Ctrl-C leaves it to stop by itself"):
                how = stopping.wait(place)
            console.print(f"[green]✓[/] {place}: {how}", highlight=False)
    except KeyboardInterrupt:
        raise Stopped("the wait has ended, the request stands: what was asked stops by itself") from None
    console.print("masksearch run with the same config goes on from there", highlight=False)


def _chosen(root: str, places: Sequence[Place], names: Sequence[str]) -> list[Place]:
    """Those of a named snapshot, of a named stage or stage/label; of both where both are named."""
    snapshots = {place.snapshot for place in places}
    chosen = list(places)
    for kind in ([name for name in names if name in snapshots], [name for name in names if name not in snapshots]):
        if not kind:
            continue
        for name in kind:
            if not any(_goes_by(place, name) for place in places):
                there = ", ".join(dict.fromkeys([*sorted(snapshots), *(place.name for place in places)]))
                raise BadInput(f"{root}: nothing goes by {name} there; there are {there}")
        chosen = [place for place in chosen if any(_goes_by(place, name) for name in kind)]
    return chosen


def _goes_by(place: Place, name: str) -> bool:
    stage, _, label = place.name.partition("/")
    return name in (place.snapshot, place.name, stage, label)
