"""The corpus stages made from small dumps, in this process."""

import bz2
import re
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval_index.hits import Hit, Query, Searcher, SearchFailed
from schemas.config import PipelineConfig
from schemas.corpus_settings import WorldSettings
from schemas.errors import RunFailed
from schemas.manifest import StageManifest
from schemas.records import Page, Passage, Record, Split
from tasks.corpus.smallworld import write_world
from tasks.dumps.dumps import cut, find_dump
from tasks.ledger import storage
from tasks.ledger.fanout import release
from tasks.ledger.ledger import Ledger
from tasks.pipeline.graph import make, stages_of
from tasks.stages import questions as asking
from tests.support.dumpfiles import page_xml, revision_xml, write_multistream, xml_dump
from tests.support.object_store import serving_bucket

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


def damaged(dump: Path) -> Path:
    """The same dump with a stream that cannot be decompressed."""
    whole = dump.read_bytes()
    second = cut(find_dump(str(dump)), 1e-6)[2]
    dump.write_bytes(whole[: second.start + 40] + bytes(8) + whole[second.start + 48 :])
    return dump


def test_a_dump_of_which_too_much_is_lost_stops_at_the_pages(tmp_path: Path) -> None:
    dump = damaged(write_multistream(tmp_path, STREAMS))
    root = tmp_path / "root"
    with pytest.raises(RunFailed, match=r"little is lost: \d+\.\d+% of the dump could not be read \(\d+ damaged bytes"):
        made(config_of(root, dump), "pages")
    allowed = made(config_of(root, dump, pages={"max_lost_share": 0.5}), "pages")
    assert allowed.rows == 6, "the limit is no part of how pages are made: the same label goes on"
    assert allowed.rejects == {"damaged_stream": 1}


def test_a_dump_that_is_cut_off_stops_at_the_pages(tmp_path: Path) -> None:
    dump = write_multistream(tmp_path, STREAMS, with_index=False)
    dump.write_bytes(dump.read_bytes()[: cut(find_dump(str(dump)), 1e-6)[3].start])
    with pytest.raises(RunFailed, match=r"100.00% of the dump could not be read \(.* 1 file cut off\)"):
        made(config_of(tmp_path / "root", dump), "pages")


@pytest.mark.slow
def test_workers_write_pages_and_rejects_to_an_object_store_that_this_process_reads(tmp_path: Path) -> None:
    dump = damaged(write_multistream(tmp_path, STREAMS))
    release()  # workers have the environment in which Ray was started
    with serving_bucket() as bucket:
        runtime = {"root": f"{bucket}/root", "workers": 2}
        config = config_of(tmp_path, dump, pages={"part_mb": 1e-6, "max_lost_share": 0.5}, runtime=runtime)
        manifest = made(config, "pages")
        release()
    assert (manifest.rows, manifest.rejects, len(manifest.parts)) == (6, {"damaged_stream": 1}, 5)


@pytest.mark.parametrize(
    ("snapshot", "section", "given"),
    [
        ("enwiki-20240101", {}, {}),
        ("smallworld-20240101", {}, {}),
        ("simplewiki-20240101", {}, {}),
        ("enwiki-20240101", {"language": "en"}, {}),
        ("dewiki-20240101", {}, {"language": "de"}),
        ("dewiki-20240101", {"language": "en"}, {}),
        ("dewiki-20240101", {"kind": "dense", "encoder": {"path": "x"}}, {"kind": "dense", "encoder": {"path": "x"}}),
    ],
)
def test_the_index_is_known_by_the_language_of_its_snapshot(
    tmp_path: Path, snapshot: str, section: dict[str, object], given: dict[str, object]
) -> None:
    """English is what nobody had to name: indexes of English snapshots are known as they were before."""
    config = config_of(tmp_path, tmp_path / "dump.xml", snapshot, index=section)
    (index,) = [stage for stage in stages_of(config) if stage.stage == "index"]
    assert index.reads.given == {"index": given}
    assert index.reads.all["index"]["language"] == given.get("language", "en")


_IN_PROCESS = """
import sys
from pathlib import Path
from tests.tasks.stages.test_corpus import config_of, made

config = config_of(Path(sys.argv[1]) / "root", Path(sys.argv[2]))
config = config.model_copy(update={"runtime": config.runtime.model_copy(update={"workers": 2})})
print(made(config, "passages").rows, "ray" in sys.modules)
"""


def test_a_dump_of_one_part_needs_no_ray(tmp_path: Path) -> None:
    dump = write_multistream(tmp_path, STREAMS)
    words = [sys.executable, "-c", _IN_PROCESS, str(tmp_path), str(dump)]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["9", "False"]


# -- pages that a dump has twice ------------------------------------------------------------------------------------

OLD, NEW = "2020-01-01T00:00:00Z", "2024-01-01T00:00:00Z"


def with_page(page_id: int, title: str, text: str, when: str, revision: int, redirect: str = "") -> str:
    return page_xml(page_id, title, text, redirect=redirect, revisions=revision_xml(revision, text, when))


def repeated_pages() -> list[list[str]]:
    """Page 5 three times, once as a redirect and twice in the same revision; page 7 twice, the newer one first."""
    newest = with_page(5, "Elm", "The '''elm''' as it is now.", NEW, 50)
    return [
        [with_page(5, "Elm", "#REDIRECT [[Tree]]", OLD, 40, redirect="Tree"), page_xml(6, "Oak", "The '''oak'''.")],
        [with_page(7, "Ash", "The '''ash''' now.", NEW, 70), newest, page_xml(8, "Tree", "A '''tree'''.")],
        [newest, with_page(7, "Ash tree", "The '''ash''' then.", OLD, 60)],
    ]


@pytest.mark.parametrize("part_mb", [1e-6, 99])
def test_of_a_page_that_a_dump_has_twice_the_newest_revision_stays_and_the_others_are_counted(
    tmp_path: Path, part_mb: float
) -> None:
    dump = write_multistream(tmp_path, repeated_pages(), with_index=False)
    manifest = made(config_of(tmp_path / "root", dump, pages={"part_mb": part_mb}), "passages")
    pages = rows_of(tmp_path / "root", "enwiki-20240101", "pages", Page)
    assert [(page.title, page.revision_id, page.text) for page in pages if isinstance(page, Page)] == [
        ("Oak", 1006, "The oak."),
        ("Ash", 70, "The ash now."),
        ("Elm", 50, "The elm as it is now."),
        ("Tree", 1008, "A tree."),
    ]
    assert all(not page.redirects for page in pages if isinstance(page, Page)), "the elm is no redirect any more"
    made_pages = Ledger(str(tmp_path / "root"), "enwiki-20240101").manifest("pages", "v1")
    assert made_pages is not None and made_pages.rejects == {"repeated_page": 3}
    assert manifest.rows == 4


def test_pages_that_two_part_files_share_are_read_once(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    folder.mkdir()
    shared = page_xml(9, "Elm", "An '''elm'''.")
    for name, pages in (
        ("1.xml-p1p10", [page_xml(1, "Oak", "An '''oak'''."), shared]),
        ("2.xml-p11p20", [shared, page_xml(12, "Ash", "An '''ash'''.")]),
    ):
        (folder / f"enwiki-20240101-pages-articles{name}.bz2").write_bytes(bz2.compress(xml_dump(pages)))
    manifest = made(config_of(tmp_path / "root", folder), "pages")
    assert (manifest.rows, manifest.rejects) == (3, {"repeated_page": 1})


def test_a_wrong_index_is_reported_in_the_progress_and_in_the_manifest(tmp_path: Path) -> None:
    dump = write_multistream(tmp_path, STREAMS)
    index = tmp_path / "enwiki-20240101-pages-articles-multistream-index.txt.bz2"
    lines = bz2.decompress(index.read_bytes()).decode().splitlines(keepends=True)
    offset, _, rest = lines[1].partition(":")
    index.write_bytes(bz2.compress("".join([lines[0], f"{int(offset) + 5}:{rest}", lines[2]]).encode()))
    config, said = config_of(tmp_path / "root", dump, pages={"part_mb": 1e-6}), []
    manifests = {
        stage.stage: make(config, stage, lambda progress: said.append(progress.note))
        for stage in stages_of(config)
        if stage.stage in ("dump", "redirects", "aliases", "pages")
    }
    assert any("read without its index" in note for note in said)
    assert "read without its index" in manifests["redirects"].figures["notes"][0]
    assert manifests["pages"].rows == 9


def test_the_questions_of_the_small_world_are_part_of_what_its_dump_is(tmp_path: Path) -> None:
    def dump(label: str, questions: int) -> tuple[StageManifest, Path]:
        world = {"families": {"train": 1}, "retellings": 2, "questions": questions}
        told = {"name": "corpus", "snapshot": JANUARY, "world": world, "ramp": {"splits": "table"}}
        config = PipelineConfig.model_validate({**told, "runtime": {"root": str(tmp_path)}, "labels": {"dump": label}})
        return made(config, "dump"), tmp_path / JANUARY / "dump" / label

    (without, bare), (asked, folder) = dump("v1", 0), dump("v2", 2)
    archive = f"{JANUARY}-pages-articles-multistream.xml.bz2"
    assert (bare / archive).read_bytes() == (folder / archive).read_bytes()
    assert {file.name for file in folder.iterdir()} - {file.name for file in bare.iterdir()} == {"questions.jsonl"}
    assert len((folder / "questions.jsonl").read_text().splitlines()) == 6
    assert without.digest != asked.digest
    assert without.fingerprint != asked.fingerprint


# -- a second snapshot ----------------------------------------------------------------------------------------------

JANUARY, FEBRUARY = "smallworld-20260101", "smallworld-20260201"
SMALL = {"pages": {"part_mb": 0.02}, "passages": {"max_words": 150}}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A world, and the same a month later: edited, shortened, hidden, renamed and new pages, and new redirects."""
    before, after = tmp_path_factory.mktemp("january"), tmp_path_factory.mktemp("february")
    write_world(WorldSettings(families={Split.TRAIN: 3}), JANUARY, str(before))
    name = f"{JANUARY}-pages-articles-multistream.xml.bz2"
    xml = bz2.decompress((before / name).read_bytes()).decode()
    pages = re.findall(r"  <page>.*?</page>\n", xml, re.DOTALL)
    own = [place for place, page in enumerate(pages) if "<redirect" not in page]
    for place in own[::10]:
        pages[place] = re.sub(r"<id>(1\d{6})</id>", r"<id>2\1</id>", pages[place]).replace("</text>", " New.</text>")
    pages[own[1]] = re.sub(r"(<text[^>]*>).*?(?=</text>)", r"\1", pages[own[1]], flags=re.DOTALL)
    pages[own[2]] = pages[own[2]].replace("<title>", "<title>New ")
    del pages[own[3]]
    title = re.search(r"<title>(.*)</title>", pages[own[4]])
    assert title is not None
    pages += [
        page_xml(9001, "A new name", f"#REDIRECT [[{title[1]}]]", redirect=title[1]),
        page_xml(9002, "A new page", "It is '''new'''."),
    ]
    header, footer = xml[: xml.index("  <page>")], "</mediawiki>\n"
    streams = [header, *("".join(pages[at : at + 40]) for at in range(0, len(pages), 40)), footer]
    packed = b"".join(bz2.compress(stream.encode()) for stream in streams)
    (after / f"{FEBRUARY}-pages-articles-multistream.xml.bz2").write_bytes(packed)
    return before, after


def rows_of(root: Path, snapshot: str, stage: str, model: type[Record]) -> list[Record]:
    paths = Ledger(str(root), snapshot).data_paths(stage, "v1")
    return [row for path in paths for row in storage.read_rows(path, model)]


def test_a_second_snapshot_reuses_what_has_not_changed_and_is_what_a_rebuild_gives(
    tmp_path: Path, worlds: tuple[Path, Path]
) -> None:
    before, after = worlds
    made(config_of(tmp_path / "both", before, JANUARY, **SMALL), "passages")
    settings = SMALL | {"pages": {"part_mb": 0.03}}
    made(config_of(tmp_path / "both", after, FEBRUARY, **settings), "passages")
    made(config_of(tmp_path / "new", after, FEBRUARY, **settings), "passages")
    reused = Ledger(str(tmp_path / "both"), FEBRUARY).manifest("pages", "v1")
    rebuilt = Ledger(str(tmp_path / "new"), FEBRUARY).manifest("pages", "v1")
    assert reused is not None and rebuilt is not None
    changed = len(range(0, rebuilt.rows, 10))
    assert rebuilt.figures["reused"] == 0 and reused.figures["read_anew"] <= changed + 5
    assert reused.figures["reused"] > 0.85 * reused.rows
    assert reused.digest == rebuilt.digest, "byte for byte"
    for stage, model in (("pages", Page), ("passages", Passage)):
        assert rows_of(tmp_path / "both", FEBRUARY, stage, model) == rows_of(tmp_path / "new", FEBRUARY, stage, model)
    pages = {row.title: row for row in rows_of(tmp_path / "both", FEBRUARY, "pages", Page) if isinstance(row, Page)}
    assert sum("New." in page.text for page in pages.values()) == changed
    assert any("A new name" in page.redirects for page in pages.values()), "redirects are the second snapshot's"


@pytest.mark.parametrize(
    ("snapshot", "pages"),
    [("dewiki-20260201", {}), (FEBRUARY, {"list_pages": "dropped"}), ("smallworld-20251201", {})],
)
def test_nothing_is_reused_of_another_wiki_of_other_settings_or_of_a_later_snapshot(
    tmp_path: Path, worlds: tuple[Path, Path], snapshot: str, pages: dict[str, object]
) -> None:
    before, after = worlds
    made(config_of(tmp_path / "root", before, JANUARY), "pages")
    unnamed = tmp_path / "dump.xml.bz2"
    unnamed.write_bytes(next(after.iterdir()).read_bytes())
    assert made(config_of(tmp_path / "root", unnamed, snapshot, pages=pages), "pages").figures["reused"] == 0


# -- near-duplicates ------------------------------------------------------------------------------------------------


class Nothing:
    """A searcher that finds nothing."""

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        return [[] for _ in queries]


class Broken:
    """A searcher that cannot search."""

    def search(self, queries: list[Query], k: int) -> list[list[Hit]]:
        raise SearchFailed("the disk is gone")


def questions_of(
    config: PipelineConfig, monkeypatch: pytest.MonkeyPatch, searcher: type[Searcher] = Nothing
) -> StageManifest:
    """The questions' manifest, made with an index that holds nothing."""
    monkeypatch.setattr(asking, "searcher_of", lambda folder: searcher())
    ledger = Ledger(config.runtime.root, config.snapshot)
    for stage in stages_of(config):
        if stage.stage == "index":
            recipe = stage.recipe(ledger)
            assert recipe is not None
            ledger.open(recipe).finish(rows=0)
        else:
            manifest = make(config, stage, lambda progress: None)
        if stage.stage == "questions":
            return manifest
    raise AssertionError("no questions")


def test_a_search_that_fails_is_a_failed_run_and_no_question_without_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "It was built by [[Karl Lindner]] in the year 1871. It stood beside the river and grew slowly for years."
    config = config_of(
        tmp_path / "root",
        write_multistream(tmp_path, [[page_xml(1, "Ober", text)]]),
        ramp={"splits": "held_out", "min_words": 10},
    )
    with pytest.raises(RunFailed, match="the disk is gone"):
        questions_of(config, monkeypatch, Broken)
    assert questions_of(config, monkeypatch).rows == 1, "the next run goes on"


def test_a_question_with_a_term_that_no_passage_proves_is_rejected_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    term = "It was driven by [[steam turbine]] power for years. It stood beside the river and grew slowly for years."
    name = term.replace("steam turbine", "Karl Lindner")
    dump = write_multistream(tmp_path, [[page_xml(1, "Ober", term), page_xml(2, "Unter", name)]])
    config = config_of(tmp_path / "root", dump, ramp={"splits": "held_out", "min_words": 10})
    manifest = questions_of(config, monkeypatch)
    assert (manifest.rows, manifest.rejects) == (1, {"unproven_term": 1})


def test_nearly_the_same_passages_become_questions_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "'''{name}''' was founded in 1871 by [[Anna Brandt]] beside the river and grew slowly for many years. After "
        "the fire of 3 May 1902 it was built again by [[Karl Lindner]], who lived there with all of his family."
    )
    streams = [[page_xml(number, name, text.format(name=name)) for number, name in enumerate(["Ober", "Unter"], 1)]]
    dump = write_multistream(tmp_path, streams)
    ramp_settings = {"splits": "held_out", "min_words": 20}
    once = config_of(tmp_path / "once", dump, ramp=ramp_settings, near_duplicates={})
    twice = config_of(tmp_path / "twice", dump, ramp=ramp_settings)
    assert questions_of(twice, monkeypatch).rows == 2
    manifest = questions_of(once, monkeypatch)
    assert (manifest.rows, manifest.rejects) == (1, {"near_duplicate": 1})
    found = Ledger(once.runtime.root, once.snapshot).manifest("duplicates", "v1")
    assert found is not None and found.figures == {"passages": 2, "dropped": 1, "share": 0.5}
