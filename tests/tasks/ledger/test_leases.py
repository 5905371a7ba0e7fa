"""Two runs of one stage: one works, the other waits; a holder that died is passed over, and can commit no more."""

import subprocess
import sys
import threading
import time

import pytest

from schemas.errors import RunFailed
from schemas.records import Redirect
from tasks.ledger import leases, storage
from tasks.ledger.ledger import Parts

SNAPSHOT = "enwiki-20261101"


def nobody_waits(holder):
    raise AssertionError(f"waits for {holder}")


@pytest.fixture(params=["disk", "object store"])
def folder(request, tmp_path):
    if request.param == "disk":
        yield str(tmp_path / "pages" / "v1")
        return
    yield "memory://bucket/pages/v1"
    storage.remove("memory://bucket/pages/v1")


def test_of_many_who_create_a_file_one_succeeds(folder):
    path = storage.join(folder, "file")
    created = []
    threads = [
        threading.Thread(target=lambda n=n: created.append(storage.create(path, str(n).encode()))) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(created) == [False] * 7 + [True]
    assert storage.read_bytes(path).isdigit()


def test_a_second_run_waits_until_the_first_has_ended(folder, monkeypatch):
    monkeypatch.setattr(leases, "_LOOK_SECONDS", 0.01)
    told, got, waits = [], [], threading.Event()

    def second():
        with leases.held(folder, lambda holder: (told.append(holder), waits.set())) as token:
            got.append(token)

    with leases.held(folder, nobody_waits) as token:
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(10)
        assert got == []
    thread.join(10)
    assert (token, got) == (1, [2])
    assert told[0].startswith("process ")


def test_a_holder_that_was_killed_is_passed_over_at_once_on_its_own_machine(tmp_path):
    folder = str(tmp_path)
    takes_and_dies = (
        "import os; from tasks.ledger import leases\n"
        f"with leases.held({folder!r}, print) as token: os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", takes_and_dies], check=False).returncode == -9
    with leases.held(folder, nobody_waits) as token:
        assert token == 2
    assert [name for name in storage.names_in(folder) if "lease" in name] == ["lease-000002.json"]


def test_a_holder_elsewhere_that_is_silent_is_passed_over_and_can_commit_no_more(folder, monkeypatch):
    monkeypatch.setattr(leases, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(leases, "PATIENCE_SECONDS", 0.2)
    silent = leases.Lease(token=4, host="elsewhere", process=1, born=1.0)
    storage.write_document(storage.join(folder, "lease-000004.json"), silent)
    late = Parts(folder, "f" * 64, Redirect, SNAPSHOT, lease=4)
    late.commit("a", [], [], {}, time.time())
    with leases.held(folder, lambda holder: None) as token:
        assert token == 5
        with pytest.raises(RunFailed, match=r"took this stage over"):
            late.commit("b", [], [], {}, time.time())
        Parts(folder, "f" * 64, Redirect, SNAPSHOT, lease=token).commit("b", [], [], {}, time.time())
    assert sorted(late.done()) == ["a", "b"]


def test_a_holder_elsewhere_that_renews_is_waited_for(folder, monkeypatch):
    monkeypatch.setattr(leases, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(leases, "PATIENCE_SECONDS", 2.0)
    monkeypatch.setattr(leases.Lease, "is_free", lambda lease: lease.released)
    tokens = []
    with leases.held(folder, nobody_waits):

        def second():
            with leases.held(folder, lambda holder: None) as token:
                tokens.append(token)

        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(3.0)  # longer than a silent holder is given
        assert tokens == []
    thread.join(10)
    assert tokens == [2]
