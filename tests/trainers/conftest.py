"""A tiny tokenizer and made-up trajectories that the trainers' tests share."""

import random
from pathlib import Path

import pytest

from schemas.records import Author, EndReason, Segment, Trajectory, Verdict, VerdictStatus
from tasks import storage
from tasks.rollouts.protocol import answer_turn, search_turn
from tasks.rollouts.tokenizer import AgentTokenizer, train_tokenizer

SNAPSHOT = "smallworld-20260101"
_SYLLABLES = ["ka", "lo", "vin", "to", "mar", "el", "su", "dre"]


def _name(source: random.Random) -> str:
    return "".join(source.choice(_SYLLABLES) for _ in range(3)).capitalize()


def _trajectory(number: int) -> Trajectory:
    source, n_masks = random.Random(number), number % 4 + 1
    facts = [(_name(source), _name(source)) for _ in range(n_masks)]
    segments = [Segment(author=Author.PROMPT, text="".join(f"{firm} belongs to [mask].\n" for firm, _ in facts))]
    for firm, owner in facts:
        segments.append(Segment(author=Author.MODEL, text=search_turn(f"owner of {firm}", [firm])))
        found = f"<information>{firm}: the owner of {firm} is {owner}.</information>"
        segments.append(Segment(author=Author.ENVIRONMENT, text=found))
    answer = " ".join(f"{firm} belongs to {owner}." for firm, owner in facts)
    segments.append(Segment(author=Author.MODEL, text=answer_turn("all found", answer)))
    return Trajectory(
        snapshot=SNAPSHOT,
        trajectory_id=f"q{number}-0",
        question_id=f"q{number}",
        group_id=f"q{number}",
        rollout=0,
        teacher="scripted",
        label="scripted",
        model="",
        segments=segments,
        searches=[],
        answer=answer,
        end_reason=EndReason.ANSWERED,
        n_masks=n_masks,
        verdict=Verdict(judge="test", status=VerdictStatus.CORRECT, recall=1.0),
        n_tokens=0,
    )


@pytest.fixture(scope="session")
def trajectories() -> list[Trajectory]:
    """120 accepted ones, of 1 to 4 masks in turn."""
    return [_trajectory(number) for number in range(120)]


@pytest.fixture(scope="session")
def tokenizer(trajectories: list[Trajectory]) -> AgentTokenizer:
    return train_tokenizer((segment.text for row in trajectories for segment in row.segments), 400)


@pytest.fixture(scope="session")
def training_files(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: AgentTokenizer, trajectories: list[Trajectory]
) -> Path:
    """A folder with ``tokenizer/``, ``model/`` (a tiny one, random) and ``trajectories.parquet``."""
    from schemas.config import ModelSettings
    from trainers.weights import new_model

    folder = tmp_path_factory.mktemp("training")
    tokenizer.save(str(folder / "tokenizer"))
    settings = ModelSettings(hidden=32, layers=2, heads=2, intermediate=64, max_position=512)
    new_model(settings, tokenizer.vocabulary, str(folder / "model"))
    storage.write_rows(str(folder / "trajectories.parquet"), Trajectory, trajectories)
    return folder
