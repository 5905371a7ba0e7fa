"""Real Ray, two workers."""

import os
import time
from functools import partial

import pytest

from schemas.errors import BadInput
from schemas.manifest import PartManifest
from schemas.records import Redirect
from tasks.ledger.fanout import fan_out, release
from tasks.ledger.ledger import Parts

pytestmark = pytest.mark.slow

SNAPSHOT = "enwiki-20261101"


def made(parts: Parts, number: int) -> PartManifest:
    if number == 3:
        raise BadInput("dump.xml: part 3 is no XML")
    row = Redirect(snapshot=SNAPSHOT, title=f"made by {os.getpid()}", target="x")
    return parts.commit(f"{number}", [row], [], {}, time.time())


@pytest.fixture
def parts(tmp_path):
    return Parts(str(tmp_path / "stage"), "fingerprint", Redirect, SNAPSHOT)


def test_parts_are_made_by_other_processes_and_each_is_heard_of_once(parts):
    heard: list[PartManifest] = []
    fan_out([0, 1, 2, 4, 5], partial(made, parts), 2, heard.append)
    assert sorted(part.key for part in heard) == ["0", "1", "2", "4", "5"]
    assert sorted(parts.done()) == ["0", "1", "2", "4", "5"]
    from tasks.ledger import storage

    assert {next(storage.read_rows(parts.data_path(key), Redirect)).title for key in parts.done()} != {
        f"made by {os.getpid()}"
    }


def test_a_worker_s_error_comes_back_as_itself_and_is_never_swallowed(parts):
    with pytest.raises(BadInput, match="part 3 is no XML"):
        fan_out([0, 1, 2, 3], partial(made, parts), 2, lambda part: None)
    assert "3" not in parts.done()


def test_one_part_is_made_in_this_process(parts):
    fan_out([7], partial(made, parts), 2, lambda part: None)
    from tasks.ledger import storage

    (row,) = storage.read_rows(parts.data_path("7"), Redirect)
    assert row.title == f"made by {os.getpid()}"


def slowly_made(parts: Parts, number: int) -> PartManifest:
    began = time.time()
    time.sleep(0.5)
    row = Redirect(snapshot=SNAPSHOT, title=f"{began} {time.time()}", target="x")
    return parts.commit(f"{number}", [row], [], {}, began)


def test_a_cluster_with_processors_for_more_works_on_no_more_parts_at_once_than_the_workers_that_were_asked_for(parts):
    import ray

    release()
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
    try:
        fan_out(range(6), partial(slowly_made, parts), 2, lambda part: None)
    finally:
        release()
    from tasks.ledger import storage

    told = [next(storage.read_rows(parts.data_path(key), Redirect)).title.split() for key in parts.done()]
    times = [(float(began), float(ended)) for began, ended in told]
    assert len(times) == 6
    assert max(sum(began <= start < ended for began, ended in times) for start, _ in times) <= 2
