"""A corpus of passages in place of a dump: what its stages write, and that parts alone are built again."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.config import PipelineConfig, config_of
from schemas.corpus_settings import CapitalisedSpans
from schemas.errors import BadInput, RunFailed
from schemas.manifest import StageManifest
from schemas.records import Passage, Question, Reject
from tasks.ledger import storage
from tasks.ledger.ledger import Ledger
from tasks.pipeline.graph import is_finished, make, stages_of
from tasks.pipeline.readiness import found_for
from tasks.ramp.splits import is_held_out

FACTS = "It has 12,5{n:02} people and a harbour on the Vint River. It was founded in 19{n:02} by Karlo Mond of Ostel."
RIVER = (
    "The Vint River flows by Ostel into the sea. Karlo Mond of Ostel was the banker who built harbours there in 1931."
)


def lines(count: int = 20) -> list[str]:
    towns = [json.dumps({"id": n, "title": f"Town {n}", "text": FACTS.format(n=10 + n)}) for n in range(count)]
    return [*towns, json.dumps({"id": "r", "title": "Vint River", "text": RIVER}), '{"id": "s", "title": "Empty"}']


def config(folder: Path, source: dict[str, Any] | None = None, **sections: Any) -> PipelineConfig:
    path = folder / "towns.jsonl"
    if not path.exists():
        path.write_text("\n".join(lines()))
    given = {
        "name": "towns",
        "snapshot": "towns-20261101",
        "corpus": {"passages": str(path), "part_rows": 8, **(source or {})},
        "ramp": {"min_words": 8},
        "runtime": {"root": str(folder / "root"), "workers": 1},
    }
    return config_of("config.yaml", {**given, **sections})


def made(settings: PipelineConfig, until: str) -> StageManifest:
    for stage in stages_of(settings):
        manifest = make(settings, stage, lambda progress: None)
        if stage.stage == until:
            return manifest
    raise AssertionError(f"no stage {until}")


def rows(settings: PipelineConfig, stage: str, model: Any) -> list[Any]:
    paths = Ledger(settings.runtime.root, settings.snapshot).data_paths(stage, "v1")
    return [row for path in paths for row in storage.read_rows(path, model)]


def test_a_corpus_replaces_the_stages_of_a_dump(tmp_path: Path) -> None:
    names = [stage.stage for stage in stages_of(config(tmp_path))]
    assert names == ["corpus", "passages", "index", "spans", "questions"]
    settings = config(tmp_path)
    assert isinstance(settings.ramp.spans, CapitalisedSpans)
    assert settings.ramp.splits == "held_out"


def test_passages_are_made_and_what_is_none_is_counted(tmp_path: Path) -> None:
    settings = config(tmp_path)
    manifest = made(settings, "passages")
    assert (manifest.rows, manifest.rejects, len(manifest.parts)) == (21, {"no_text": 1}, 3)
    noted = Ledger(settings.runtime.root, settings.snapshot).manifest("corpus", "v1")
    assert noted is not None
    assert noted.figures["rejected"] == {"no_text": 1}
    assert noted.figures["layouts"] == ["json_lines with id, title, text"]
    folder = Ledger(settings.runtime.root, settings.snapshot).folder("passages", "v1")
    (reject,) = storage.read_rows(f"{folder}/rejects-{manifest.parts[-1]}.parquet", Reject)
    assert reject.row_id == "towns.jsonl:22"


def test_only_missing_parts_are_built_again_and_are_the_same(tmp_path: Path) -> None:
    settings = config(tmp_path)
    manifest = made(settings, "passages")
    folder = Path(Ledger(settings.runtime.root, settings.snapshot).folder("passages", "v1"))
    kept, lost = (folder / f"part-{manifest.parts[place]}.parquet" for place in (0, 1))
    before, stamp = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.with_suffix(".json").unlink()
    lost.unlink()
    (folder / "stage.json").unlink()
    again = made(settings, "passages")
    assert (again.digest, lost.read_bytes()) == (manifest.digest, before)
    assert kept.stat().st_mtime_ns == stamp, "a finished part is not built again"


def test_the_corpus_may_move_or_go_and_another_one_under_the_same_label_is_refused(tmp_path: Path) -> None:
    settings = config(tmp_path)
    made(settings, "passages")
    moved = tmp_path / "elsewhere" / "towns.jsonl"
    moved.parent.mkdir()
    moved.write_bytes((tmp_path / "towns.jsonl").read_bytes())
    for there in (settings, config(tmp_path, {"passages": str(moved)})):
        assert all(is_finished(there, stage) for stage in stages_of(there)[:2])
    moved.unlink()
    assert is_finished(config(tmp_path, {"passages": str(moved)}), stages_of(settings)[0])
    (tmp_path / "towns.jsonl").write_text("\n".join(lines(19)))
    with pytest.raises(BadInput, match=r"the corpus had [\d,]+ bytes"):
        is_finished(settings, stages_of(settings)[0])


def test_too_many_rejects_stop_the_corpus_and_name_the_first(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match=r"few are rejected: 4.55% .* the first is towns.jsonl:22: no_text"):
        made(config(tmp_path, {"max_rejected_share": 0.01}), "corpus")
    assert made(config(tmp_path), "corpus").rows == 22, "a limit: the same label goes on"


def test_questions_mask_names_and_a_held_out_title_is_never_trained_on(tmp_path: Path) -> None:
    share = 0.65
    assert is_held_out("Vint River", share)
    assert 4 < sum(not is_held_out(f"Town {number}", share) for number in range(20)) < 16
    settings = config(tmp_path, ramp={"min_words": 8, "held_out_share": share, "masks_per_paragraph": 4})
    made(settings, "questions")
    questions = rows(settings, "questions", Question)
    assert {"entity", "date", "number"} == {mask.kind for question in questions for mask in question.masks}
    about_river = [row for row in questions if "Vint River" in row.gold]
    assert about_river and {row.split for row in about_river} == {"test"}
    assert "train" in {row.split for row in questions}
    passages = {row.passage_id: row for row in rows(settings, "passages", Passage)}
    for row in questions:
        assert passages[str(row.passage_id)].text == row.text
        for mask in row.masks:
            assert mask.evidence is None or mask.evidence.passage_id in passages


def test_a_look_before_the_run_says_what_is_there_and_what_is_wrong(tmp_path: Path) -> None:
    said = dict(found_for(stages_of(config(tmp_path))))
    assert "corpus: towns.jsonl, json_lines with id, title, text, language en (by the snapshot's name)" in said.values()
    missing = config(tmp_path, {"passages": str(tmp_path / "nowhere")})
    assert (
        f"corpus.passages {tmp_path}/nowhere: no such file or folder: check the path"
        in dict(found_for(stages_of(missing))).values()
    )


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"dump": "d.xml"}, "not dump and corpus"),
        ({"corpus": None}, "give either world"),
        ({"ramp": {"splits": "table"}}, "a corpus has no such file: set held_out"),
        ({"passages": {"max_words": 50}}, "passages would not be read"),
        ({"pages": {"part_mb": 1}}, "pages would not be read"),
        ({"corpus": {"passages": ""}}, "corpus.passages"),
    ],
)
def test_settings_that_do_not_fit_a_corpus_are_refused(tmp_path: Path, sections: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        config(tmp_path, **sections)
