"""Requests are asked once each, committed whole, and kept one by one until then."""

import asyncio
import json
from collections.abc import Container
from pathlib import Path

import pytest

from schemas.errors import BadInput, RunFailed
from schemas.records import Redirect, Reject
from tasks.ledger import storage
from tasks.ledger.ledger import Parts
from tasks.requests.journal import Journal
from tasks.requests.scheduling import (
    MAX_FAILED,
    MAX_FAILED_SHARE,
    MAX_REFUSED,
    Refused,
    Request,
    Schedule,
    laid_out,
    request_of,
)

SNAPSHOT = "smallworld-20260101"


def _row(number: int) -> Redirect:
    return Redirect(snapshot=SNAPSHOT, title=str(number), target="answered")


class Asker:
    """Answers every request, but those it is told to fail or refuse; the most requests at once are ``peak``."""

    def __init__(self, fails: Container[int] = (), breaks_at: int | None = None, refuses: Container[int] = ()) -> None:
        self.asked: list[int] = []
        self.fails, self.breaks_at, self.refuses = fails, breaks_at, refuses
        self.under_way = self.peak = 0

    async def __call__(self, number: int) -> Redirect | Reject | Refused[Redirect]:
        self.asked.append(number)
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        await asyncio.sleep(0.001 * (number % 3))
        self.under_way -= 1
        if number == self.breaks_at:
            raise BadInput("the key is refused")
        if number in self.fails:
            return Reject(snapshot=SNAPSHOT, row_id=str(number), reason="tool_failed", failed=True, detail="gone")
        if number in self.refuses:
            return Refused(_row(number), "status 400: too long")
        return _row(number)


def _requests(count: int) -> dict[str, list[Request[int]]]:
    return laid_out([request_of(number, "f", number) for number in range(count)], part_rows=10)


def _schedule(folder: Path, count: int = 35, in_flight: int = 16) -> Schedule[int, Redirect]:
    parts = Parts(str(folder), "f", Redirect, SNAPSHOT)
    return Schedule(parts, Redirect, _requests(count), in_flight)


def _rows(folder: Path) -> list[int]:
    paths = sorted(folder.glob("part-*.parquet"))
    return [int(row.title) for path in paths for row in storage.read_rows(str(path), Redirect)]


def test_every_request_is_asked_once_and_lies_in_its_part_in_order(tmp_path):
    asker = Asker()
    asyncio.run(_schedule(tmp_path).run(asker))
    assert sorted(asker.asked) == _rows(tmp_path) == list(range(35))
    assert sorted(path.name for path in tmp_path.glob("*.parquet") if path.name.startswith("part-")) == [
        "part-000000.parquet",
        "part-000010.parquet",
        "part-000020.parquet",
        "part-000030.parquet",
    ]
    assert asker.peak == 16
    assert not (tmp_path / "journal").exists()


def test_failed_requests_are_no_rows_and_are_asked_again(tmp_path):
    with pytest.raises(RunFailed, match=r"2 of 35 requests failed \(first: \d+, tool_failed: gone\).*run again"):
        asyncio.run(_schedule(tmp_path).run(Asker(fails={3, 27})))
    assert _rows(tmp_path) == [*range(10, 20), *range(30, 35)]
    schedule, again = _schedule(tmp_path), Asker()
    assert schedule.missing == 2
    asyncio.run(schedule.run(again))
    assert sorted(again.asked) == [3, 27]
    assert _rows(tmp_path) == list(range(35))


def test_many_failures_end_the_run_early(tmp_path):
    asker = Asker(fails=range(500))
    with pytest.raises(
        RunFailed, match=r"2\d of 2\d requests failed .*these are too many, so the others were not sent; the"
    ):
        asyncio.run(_schedule(tmp_path, count=500, in_flight=8).run(asker))
    assert len(asker.asked) < MAX_FAILED + 8


def test_failures_that_are_few_beside_what_was_asked_do_not_end_a_long_run(tmp_path):
    most = int(MAX_FAILED_SHARE * 5000)
    asker = Asker(fails=range(5000 - most + 1, 5000))
    with pytest.raises(RunFailed, match=f"{most - 1} of 5000 requests failed") as failed:
        asyncio.run(_schedule(tmp_path, count=5000, in_flight=8).run(asker))
    assert "too many" not in str(failed.value)
    assert sorted(asker.asked) == list(range(5000))


def test_a_refused_request_is_a_row_once_another_is_answered(tmp_path):
    asker = Asker(refuses={0, 1, 2, 17, 33, 34})
    asyncio.run(_schedule(tmp_path, in_flight=1).run(asker))
    assert sorted(asker.asked) == _rows(tmp_path) == list(range(35))


@pytest.mark.parametrize(("count", "asked"), [(3, 3), (500, MAX_REFUSED)])
def test_where_every_request_is_refused_the_run_ends_with_one_line_and_none_is_kept(tmp_path, count, asked):
    asker = Asker(refuses=range(500))
    with pytest.raises(BadInput, match=f"status 400: too long: {asked} requests in a row were refused"):
        asyncio.run(_schedule(tmp_path, count, in_flight=1).run(asker))
    assert len(asker.asked) == asked
    assert _schedule(tmp_path, count).missing == count


def test_refusals_from_a_certain_request_on_end_the_run_too(tmp_path):
    with pytest.raises(BadInput, match=f"{MAX_REFUSED} requests in a row were refused"):
        asyncio.run(_schedule(tmp_path, 500, in_flight=1).run(Asker(refuses=range(250, 500))))
    assert _schedule(tmp_path, 500).missing == 250


def test_the_last_ones_to_ask_may_all_be_refused_where_others_were_answered_before(tmp_path):
    with pytest.raises(RunFailed):
        asyncio.run(_schedule(tmp_path).run(Asker(fails={33, 34})))
    asyncio.run(_schedule(tmp_path).run(Asker(refuses={33, 34})))
    assert _rows(tmp_path) == list(range(35))


def test_a_refusal_ends_the_run_at_once_and_keeps_what_is_answered(tmp_path):
    with pytest.raises(BadInput, match="the key is refused"):
        asyncio.run(_schedule(tmp_path, count=200, in_flight=4).run(Asker(breaks_at=25)))
    assert 0 < _schedule(tmp_path, count=200).missing < 200


def test_parts_sum_up_to_the_time_of_the_run(tmp_path):
    asyncio.run(_schedule(tmp_path).run(Asker()))
    parts = Parts(str(tmp_path), "f", Redirect, SNAPSHOT).done()
    assert sum(part.seconds for part in parts.values()) < 5


def test_another_recipe_takes_nothing_from_the_journal(tmp_path):
    with pytest.raises(RunFailed):
        asyncio.run(_schedule(tmp_path, count=10).run(Asker(fails={3})))
    other = laid_out([request_of(number, "other", number) for number in range(10)], part_rows=10)
    assert Schedule(Parts(str(tmp_path), "other", Redirect, SNAPSHOT), Redirect, other, 4).missing == 10


def test_a_part_that_was_answered_but_not_committed_is_committed(tmp_path):
    journal = Journal(tmp_path / "journal" / "000000.jsonl", Redirect)
    for request in _requests(10)["000000"]:
        journal.append(request.digest, _row(request.item))
    journal.close()
    schedule = _schedule(tmp_path, count=10)
    assert schedule.missing == 0
    asyncio.run(schedule.commit_whole())
    assert _rows(tmp_path) == list(range(10))


@pytest.mark.parametrize("torn", [b'{"request": "2", "ro', b'{"request": "2", "row": {}}\n', b"\x00\x00\x00"])
def test_a_torn_line_is_asked_again_and_spoils_no_other(tmp_path, torn):
    path = tmp_path / "000000.jsonl"
    journal = Journal(path, Redirect)
    journal.append("0", _row(0))
    journal.append("1", _row(1))
    journal.close()
    with path.open("ab") as file:
        file.write(torn)
    again = Journal(path, Redirect)
    assert again.rows == {"0": _row(0), "1": _row(1)}
    again.append("2", _row(2))
    again.close()
    assert Journal(path, Redirect).rows == {"0": _row(0), "1": _row(1), "2": _row(2)}
    assert [json.loads(line)["request"] for line in path.read_text().splitlines()] == ["0", "1", "2"]
