"""What every stage's function is given, where two runs make the same stage."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas.config import PipelineConfig
from schemas.manifest import Gate, PartManifest
from tasks.ledger import leases
from tasks.ledger.ledger import Ledger
from tasks.pipeline.graph import make, stages_of
from tasks.stages import redirects as declared
from tests.support.dumpfiles import SNAPSHOT, page_xml, write_multistream


def test_a_run_that_waited_for_another_takes_the_stage_as_that_one_finished_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_LOOK_SECONDS", 0.01)
    root, dump = str(tmp_path / "root"), write_multistream(tmp_path, [[page_xml(1, "Old Town", "It is old.")]])
    document = {"name": "two runs", "snapshot": SNAPSHOT, "dump": str(dump), "runtime": {"root": root, "workers": 1}}
    config = PipelineConfig.model_validate(document)
    dump_stage, redirects, *_ = stages_of(config)
    make(config, dump_stage, lambda progress: None)
    at_the_gates, waited_for, gate = threading.Event(), threading.Event(), declared.no_failed_rows
    passed: list[dict[str, PartManifest]] = []

    def slow_gate(parts: dict[str, PartManifest]) -> Gate:
        passed.append(parts)
        at_the_gates.set()
        assert waited_for.wait(10), "parts that are all there make no finished stage: the other run is to wait"
        return gate(parts)

    monkeypatch.setattr(declared, "no_failed_rows", slow_gate)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(make, config, redirects, lambda progress: None)
        assert at_the_gates.wait(10)
        second = pool.submit(make, config, redirects, lambda progress: waited_for.set())
    assert second.result() == first.result() == Ledger(root, SNAPSHOT).manifest("redirects", "v1")
    assert len(passed) == 1
