"""What a training is refused for before anything is started: one line, exit code 2, and no rank."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.config import PipelineConfig, read_config
from schemas.errors import BadInput
from schemas.jobs import DapoJob, NewModelJob, SftJob
from schemas.runtime import EngineRuntime, PlacementRuntime
from schemas.settings import AgentSettings, ModelSettings
from schemas.sizes import SIZES
from schemas.training_settings import CurriculumPhase, DapoSettings, EngineeringSettings, OptimiserSettings, SftSettings
from tasks.agent.tokenizer import AgentTokenizer, train_tokenizer
from tasks.capacity.devices import Machine
from tasks.capacity.memory import of_resting_rank
from tasks.capacity.model_shape import ModelShape, shape_from_nothing
from trainers.model.weights import load_model, new_model, save_model
from trainers.ranks.admission import refuse_unfit, refuse_unfit_config
from trainers.ranks.origin import origin_of
from trainers.untrained import make

ROOMY = [Machine(1e12)]


def _job(files: Path, output: Path, lr: float = 1e-3, **told: Any) -> SftJob:
    engineering = told.pop("engineering", EngineeringSettings())
    settings = SftSettings(
        curriculum=[CurriculumPhase(max_masks=1, steps=1)],
        optimiser=OptimiserSettings(lr=lr),
        engineering=engineering,
    )
    paths = {"tokenizer": str(files / "tokenizer"), "start": str(files / "model"), "output": str(output)}
    return SftJob(**{"snapshot": "smallworld-20260101", "settings": settings, "sources": [], **paths, **told})


def _new_model(files: Path, tokenizer: AgentTokenizer, folder: Path, path: str | None = None) -> str:
    """The folder of a model made for this tokenizer."""
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer"))
    settings = ModelSettings(hidden=32, layers=1, heads=2, intermediate=64, max_position=512, path=path)
    make(
        NewModelJob(
            output=str(folder),
            snapshot="smallworld-20260101",
            tokenizer=str(folder / "tokenizer"),
            settings=settings,
        )
    )
    return str(folder / "model")


@pytest.fixture(scope="session")
def other_tokenizer(tokenizer: AgentTokenizer) -> AgentTokenizer:
    """As large as the shared one, of other words."""
    return train_tokenizer(["zyx wvu tsr qpo nml kji hgf edc bax yzw " * 40], tokenizer.vocabulary)


def test_a_model_that_does_not_fit_is_refused_with_the_numbers(training_files: Path, tmp_path: Path):
    refuse_unfit(_job(training_files, tmp_path, ranks=2), ROOMY)
    with pytest.raises(BadInput, match=r"a rank takes at least .* GB .weights") as refused:
        refuse_unfit(_job(training_files, tmp_path, ranks=2), [Machine(1e6)])
    for setting in ("zero_stage (now 1)", "runtime.ranks (2)", "micro_batch_tokens (1024)"):
        assert setting in str(refused.value)
    gpus = PlacementRuntime(layout="distributed", gpus_per_rank=0.5)
    with pytest.raises(BadInput, match=r"has 0.5 of a GPU of 0.001 GB"):
        refuse_unfit(_job(training_files, tmp_path, placement=gpus), [Machine(1e12, (1e6,))])


def test_what_ranks_keep_while_engines_generate_must_fit_beside_these(training_files: Path, tmp_path: Path):
    job = DapoJob(
        **_job(training_files, tmp_path, ranks=2).model_dump(exclude={"settings", "sources", "placement"}),
        settings=DapoSettings(
            curriculum=[CurriculumPhase(max_masks=4, steps=1)],
            optimiser=OptimiserSettings(lr=1e-3),
            engineering=EngineeringSettings(micro_batch_tokens=128),
        ),
        agent=AgentSettings(max_tokens=128),
        questions=[],
        index="index",
        engine=EngineRuntime(gpu_memory_share=0.85),
        placement=PlacementRuntime(layout="shared", engines=2, gpus_per_rank=1, gpus_per_engine=1),
    )
    kept = of_resting_rank(ModelShape.read(job.start), job.settings.engineering, ranks=2).total
    refuse_unfit(job, [Machine(1e12, (kept / 0.14,) * 2)])
    with pytest.raises(BadInput, match=r"a rank beside an engine takes at least .* it has 0\.15 of a GPU"):
        refuse_unfit(job, [Machine(1e12, (kept / 0.16,) * 2)])
    smaller = job.model_copy(update={"engine": EngineRuntime(gpu_memory_share=0.5)})
    refuse_unfit(smaller, [Machine(1e12, (kept / 0.16,) * 2)])


def test_a_job_is_refused_before_its_ranks_start(training_files: Path, tmp_path: Path):
    job = _job(training_files, tmp_path, ranks=2, engineering=EngineeringSettings(micro_batch_tokens=10**12))
    (tmp_path / "config.json").write_text(job.model_dump_json())
    program = [sys.executable, "-m", "trainers.sft", str(tmp_path / "config.json")]
    run = subprocess.run(program, capture_output=True, text=True, check=False, env=os.environ)
    assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
    assert run.stderr.startswith(f"error: {job.start} does not fit: a rank takes at least")
    assert json.loads((tmp_path / "job-error.json").read_text())["exit_code"] == 2


def test_a_whole_config_is_checked_before_there_is_any_model(tmp_path: Path):
    def check(gb: float, gpus: tuple[float, ...] = (), **overrides: Any) -> None:
        told = {"runtime": {"root": str(tmp_path)}, **overrides}
        refuse_unfit_config(read_config("deploy/configs/sample.yaml", told), [Machine(gb * 1e9, gpus)])

    check(8)
    with pytest.raises(BadInput, match=r"section model does not fit: a process of an engine .* cache 1\.07"):
        check(1)
    wide = {"model": {"hidden": 4096, "layers": 32, "heads": 32, "intermediate": 12288}}
    with pytest.raises(BadInput, match="section model does not fit: a rank takes at least"):
        check(64, **wide)
    check(4, (40e9,) * 2)
    with pytest.raises(BadInput, match=r"it has 0\.15 of a GPU of 0\.2 GB"):
        check(4, (0.2e9,) * 2)


def _enwiki(staleness: int = 1, **runtime: Any) -> PipelineConfig:
    """The config that is shipped, its model by the sizes that the folder of one would tell."""
    model = {**SIZES["1.5B"].model_dump(), "dtype": "bf16"}
    told = {"model": model, "tokenizer": {"path": None, "vocabulary": 300}, "runtime": runtime}
    return read_config("deploy/configs/enwiki.yaml", {**told, "training": {"ramp-rl": {"staleness": staleness}}})


def test_the_plan_for_the_english_wikipedia_fits_the_node_that_it_names():
    config, node = _enwiki(), [Machine(1e12, (80e9,) * 8)]
    refuse_unfit_config(config, node)
    placement = config.runtime.placement
    ranks, engines = config.runtime.ranks, placement.engines * config.runtime.engine.tensor_parallel
    assert ranks * placement.gpus_per_rank + engines * placement.gpus_per_engine == 8
    shared = {"layout": "shared", "weights": "ipc", "engines": 8}
    refuse_unfit_config(_enwiki(0, ranks=8, placement=shared, engine={"gpu_memory_share": 0.6}), node)
    with pytest.raises(BadInput, match="a rank takes at least"):
        refuse_unfit_config(config, [Machine(1e12, (24e9,) * 8)])


def test_where_dapo_is_one_rank_another_layout_is_the_remedy_and_not_more_ranks():
    with pytest.raises(BadInput, match=r"set layout to distributed or shared, lower runtime\.engine\.gpu") as refused:
        refuse_unfit_config(_enwiki(placement={"layout": "together"}), [Machine(1e12, (80e9,) * 8)])
    assert "raise" not in str(refused.value)


@pytest.mark.parametrize(
    "other",
    [{}, {"key_value_heads": 1, "vocabulary": 500, "tied": False, "dtype": "bf16"}],
    ids=["the sample's", "of a large kind"],
)
def test_the_shape_of_a_model_from_nothing_is_that_of_the_model(other: dict[str, Any], tmp_path: Path):
    settings = ModelSettings(hidden=32, layers=2, heads=2, intermediate=64, max_position=512, **other)
    new_model(settings, 330, str(tmp_path / "model"))
    assert shape_from_nothing(settings, 330) == replace(ModelShape.read(str(tmp_path / "model")), weights="")


def test_a_tokenizer_with_more_ids_than_the_model_has_rows_is_refused(training_files: Path, tmp_path: Path):
    model = load_model(str(training_files / "model"))
    model.resize_token_embeddings(100)
    save_model(model, str(tmp_path / "short"))
    with pytest.raises(BadInput, match="has 100 token ids, the tokenizer"):
        refuse_unfit(_job(training_files, tmp_path, start=str(tmp_path / "short")), ROOMY)


def test_a_model_remembers_its_tokenizer_and_refuses_another_of_the_same_size(
    training_files: Path, tokenizer: AgentTokenizer, other_tokenizer: AgentTokenizer, tmp_path: Path
):
    assert other_tokenizer.vocabulary <= tokenizer.vocabulary
    start = _new_model(training_files, tokenizer, tmp_path / "made")
    refuse_unfit(_job(training_files, tmp_path, start=start), ROOMY)
    trained = str(tmp_path / "trained")
    save_model(load_model(start), trained)
    assert ModelShape.read(trained).made_for == tokenizer.digest
    other_tokenizer.save(str(tmp_path / "other"))
    with pytest.raises(BadInput, match="was trained with another tokenizer"):
        refuse_unfit(_job(training_files, tmp_path, start=trained, tokenizer=str(tmp_path / "other")), ROOMY)


def test_a_published_model_is_not_fitted_to_a_tokenizer_with_other_ids(
    training_files: Path, tokenizer: AgentTokenizer, other_tokenizer: AgentTokenizer, tmp_path: Path
):
    published = tmp_path / "published"
    shutil.copytree(training_files / "model", published)
    tokenizer.save(str(published))
    _new_model(training_files, tokenizer, tmp_path / "its own", str(published))
    with pytest.raises(BadInput, match="the model's own tokenizer has the id"):
        _new_model(training_files, other_tokenizer, tmp_path / "another", str(published))


def test_a_checkpoint_of_another_model_or_training_is_refused(
    training_files: Path, tokenizer: AgentTokenizer, tmp_path: Path
):
    job = _job(training_files, tmp_path)
    checkpoint = tmp_path / "checkpoints" / "step-00000005"
    checkpoint.mkdir(parents=True)
    (checkpoint / "manifest.json").write_text(json.dumps({"ranks": 1, "files": {}, "origin": origin_of(job)}))
    refuse_unfit(job, ROOMY)
    refuse_unfit(_job(training_files, tmp_path, ranks=2), ROOMY)
    with pytest.raises(BadInput, match=r"step-00000005 is .* settings.optimiser.lr was 0.001, is 0.002. Give"):
        refuse_unfit(_job(training_files, tmp_path, lr=2e-3), ROOMY)
    smaller = _new_model(training_files, tokenizer, tmp_path / "smaller")
    with pytest.raises(BadInput, match=r"model.num_hidden_layers was 2, is 1"):
        refuse_unfit(_job(training_files, tmp_path, start=smaller), ROOMY)
    (checkpoint / "manifest.json").write_text('{"torn')
    refuse_unfit(_job(training_files, tmp_path, lr=2e-3), ROOMY)
