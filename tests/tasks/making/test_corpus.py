"""The corpus stages made from small dumps, in this process."""

from pathlib import Path

import pytest

from schemas.config import PipelineConfig
from schemas.errors import RunFailed
from schemas.manifest import StageManifest
from tasks.corpus.dumps import cut, find_dump
from tasks.graph import make, stages_of
from tests.support.dumpfiles import page_xml, write_multistream

STREAMS = [[page_xml(10 * s + p, f"Page {s}.{p}", f"Text {s} {p}. " * 60) for p in range(3)] for s in range(1, 4)]


def config_of(root: Path, dump: Path, snapshot: str = "enwiki-20240101", **sections: object) -> PipelineConfig:
    return PipelineConfig.model_validate(
        {
            "name": "corpus",
            "snapshot": snapshot,
            "dump": str(dump),
            "runtime": {"root": str(root), "workers": 1},
            **sections,
        }
    )


def made(config: PipelineConfig, until: str) -> StageManifest:
    """The manifest of the stage ``until``, made with all that comes before it."""
    for stage in stages_of(config):
        manifest = make(config, stage, lambda progress: None)
        if stage.stage == until:
            return manifest
    raise AssertionError(f"no stage {until}")


def test_a_dump_of_which_too_much_is_lost_stops_at_the_pages(tmp_path: Path) -> None:
    dump = write_multistream(tmp_path, STREAMS)
    whole = dump.read_bytes()
    second = cut(find_dump(str(dump)), 1e-6)[2]
    dump.write_bytes(whole[: second.start + 40] + bytes(8) + whole[second.start + 48 :])
    root = tmp_path / "root"
    with pytest.raises(RunFailed, match=r"little is lost: \d+\.\d+% of the dump could not be read \(\d+ damaged bytes"):
        made(config_of(root, dump), "pages")
    allowed = made(config_of(root, dump, pages={"max_lost_share": 0.5}), "pages")
    assert allowed.rows == 6, "the limit is no part of how pages are made: the same label goes on"
    assert allowed.rejects == {"damaged_stream": 1}


def test_a_dump_that_is_cut_off_stops_at_the_pages(tmp_path: Path) -> None:
    dump = write_multistream(tmp_path, STREAMS, with_index=False)
    dump.write_bytes(dump.read_bytes()[: cut(find_dump(str(dump)), 1e-6)[3].start])
    with pytest.raises(RunFailed, match=r"100.00% of the dump could not be read \(.* 1 files cut off\)"):
        made(config_of(tmp_path / "root", dump), "pages")
