"""A small index, built once."""

from pathlib import Path

import pytest

from retrieval_index.opening import build_index
from schemas.corpus_settings import IndexSettings

PASSAGES = [
    ("1-0", "Tower of Dara", "The tower of Dara was built in 1889 by the engineer Mila Fenn."),
    ("1-1", "Tower of Dara", "Its lifts were renewed in 1986 by the firm Fenn and Sons."),
    ("1-2", "Tower of Dara", "The tower is painted every seven years."),
    ("11-0", "Dara", "Dara lies on the river Onn. Its tower is the tallest of the country."),
    ("2-0", "Mila Fenn", "Mila Fenn was born in Corbe and studied in Dara."),
    ("3-0", "Corbe", "Corbe, a harbour town, has a lighthouse of 1786."),
]


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("indexes") / "dara"
    build_index(PASSAGES, str(folder), IndexSettings(b=0.75, k1=1.2))
    return str(folder)
