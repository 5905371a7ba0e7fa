"""A tiny tokenizer and made-up trajectories that the trainers' tests share."""

from pathlib import Path

import pytest

from schemas.records import Trajectory
from tasks.agent.tokenizer import AgentTokenizer, train_tokenizer
from tasks.ledger import storage
from tests.support.trajectories import made_up_trajectory


@pytest.fixture(scope="session")
def trajectories() -> list[Trajectory]:
    """120 accepted ones, of 1 to 4 masks in turn."""
    return [made_up_trajectory(number) for number in range(120)]


@pytest.fixture(scope="session")
def tokenizer(trajectories: list[Trajectory]) -> AgentTokenizer:
    return train_tokenizer((segment.text for row in trajectories for segment in row.segments), 400)


@pytest.fixture(scope="session")
def training_files(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: AgentTokenizer, trajectories: list[Trajectory]
) -> Path:
    """A folder with ``tokenizer/``, ``model/`` (a tiny one, random) and ``trajectories.parquet``."""
    from schemas.settings import ModelSettings
    from trainers.model.weights import new_model

    folder = tmp_path_factory.mktemp("training")
    tokenizer.save(str(folder / "tokenizer"))
    settings = ModelSettings(hidden=32, layers=2, heads=2, intermediate=64, max_position=512)
    new_model(settings, tokenizer.vocabulary, str(folder / "model"))
    storage.write_rows(str(folder / "trajectories.parquet"), Trajectory, trajectories)
    return folder
