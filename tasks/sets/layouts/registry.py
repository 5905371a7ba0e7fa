"""All published layouts, in the order in which a record is compared with them."""

from tasks.sets.fields import Record
from tasks.sets.layouts.bamboogle import Bamboogle
from tasks.sets.layouts.claims import Claims
from tasks.sets.layouts.corpus import Corpus
from tasks.sets.layouts.fanoutqa import FanOutQA
from tasks.sets.layouts.flashrag import FlashRag
from tasks.sets.layouts.freshqa import FreshQA
from tasks.sets.layouts.hotpotqa import HotpotQA
from tasks.sets.layouts.interface import RecordLayout
from tasks.sets.layouts.musique import MuSiQue
from tasks.sets.layouts.plain import Plain
from tasks.sets.layouts.steps import Steps
from tasks.sets.layouts.two_wiki import TwoWiki

PLAIN, CORPUS = "plain", "corpus"
LAYOUTS: dict[str, type[RecordLayout]] = {
    "steps": Steps,
    "claims": Claims,
    "flashrag": FlashRag,
    "musique": MuSiQue,
    "two_wiki": TwoWiki,
    "hotpotqa": HotpotQA,
    "fanoutqa": FanOutQA,
    "freshqa": FreshQA,
    "bamboogle": Bamboogle,
    PLAIN: Plain,
    CORPUS: Corpus,
}


def layout_of(record: Record) -> str | None:
    """The layout of a record by its fields; None if it is in no known layout."""
    return next((name for name, layout in LAYOUTS.items() if layout.fits(record)), None)
