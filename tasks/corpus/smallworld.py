"""A small made-up encyclopedia, written as a real multistream MediaWiki dump with its index.

The world has families of towns, people, firms and works. No link leaves a family, a family belongs to one split, and
names of different splits share no word. Each entity has a short page with all its facts; longer pages with neutral
titles retell facts of several entities of one family in other words (tasks/corpus/worldtext.py). Questions and claims
about the facts are written beside the dump (tasks/corpus/worldquestions.py, tasks/corpus/worldclaims.py). The same
settings and snapshot give the same bytes.

Shares of the settings make the world harder: two towns of one name, second names, and descriptions in place of names.
"""

import bz2
import io
import random
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import combinations
from typing import NamedTuple
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.corpus_settings import WorldSettings
from schemas.records import Record, Split
from schemas.snapshot import date_of, wiki_of
from tasks.corpus.worldclaims import WorldClaim, family_claims
from tasks.corpus.worldphrases import Kind
from tasks.corpus.worldquestions import WorldQuestion, family_questions
from tasks.corpus.worldtext import MONTHS, Entity, NameWords, Reteller, short_page
from tasks.ledger import storage

QUESTIONS, CLAIMS = "questions.jsonl", "claims.jsonl"
PAGES_A_STREAM = 100
_PARAGRAPHS = (4, 6)
_SPANS = (4, 4)
_REDIRECTS = 0.1
_SHARED_WORDS = 0.05
"""The share of people with the surname of another person, and of firms named after a town and a person.

Their names make search ambiguous.
"""


class WorldPage(NamedTuple):
    title: str
    text: str
    split: Split
    redirect: str | None = None


def _people(words: list[str], count: int, rng: random.Random) -> list[str]:
    surnames: list[str] = []
    for _ in range(count):
        shared = surnames and rng.random() < _SHARED_WORDS
        surnames.append(rng.choice(surnames) if shared else words.pop())
    return [f"{words.pop()} {surname}" for surname in surnames]


def _firms(words: list[str], count: int, towns: list[str], people: list[str], rng: random.Random) -> list[str]:
    firms: list[str] = []
    for _ in range(count):
        shared = f"{rng.choice(towns)} {rng.choice(people).split()[1]}"
        firms.append(shared if rng.random() < _SHARED_WORDS and shared not in firms else words.pop())
    return firms


def _year(rng: random.Random) -> str:
    return str(rng.randint(1700, 1999))


def _date(rng: random.Random) -> str:
    return f"{rng.randint(1, 28)} {rng.choice(MONTHS)} {_year(rng)}"


def make_family(settings: WorldSettings, words: list[str], rng: random.Random) -> list[Entity]:
    """The entities of one family, with their facts; ``words`` for names are used up from the end."""
    towns = [words.pop() for _ in range(settings.towns)]
    people = _people(words, settings.people, rng)
    firms = _firms(words, settings.firms, towns, people, rng)
    works = [words.pop() for _ in range(settings.works)]
    named: dict[Kind, list[str]] = {"town": towns, "person": people, "firm": firms, "work": works}
    members = {kind: [Entity(kind, name) for name in of_kind] for kind, of_kind in named.items()}

    def other(kind: Kind, entity: Entity | None = None) -> Entity:
        return rng.choice([member for member in members[kind] if member is not entity])

    for town in members["town"]:
        town.facts = {"capital": other("town", town), "founded": _year(rng), "residents": str(rng.randint(2100, 9999))}
    for person in members["person"]:
        person.facts = {"birthplace": other("town"), "born": _date(rng), "teacher": other("person", person)}
    for firm in members["firm"]:
        firm.facts = {"seat": other("town"), "founder": other("person"), "founded": _year(rng)}
    for work in members["work"]:
        work.facts = {"author": other("person"), "publisher": other("firm"), "published": _year(rng)}
    family = [entity for of_kind in members.values() for entity in of_kind]
    for entity in family:
        if rng.random() < _REDIRECTS:
            entity.redirects = [f"{entity.name} ({entity.kind})"]
    _share_names(members["town"], settings.namesakes, rng)
    _give_second_names(family, settings.aliases, words, rng)
    return family


def _share_names(towns: list[Entity], share: float, rng: random.Random) -> None:
    """Give a share of the towns the name of another one; the towns that rule the two tell them apart.

    A town that tells another apart keeps a name of its own, and tells no third one apart: its page must stay among the
    first that a search for it finds. Thus fewer towns may share a name than ``share`` says.
    """
    wanted = 2 * round(share * len(towns) / 2)
    pairs = list(combinations(towns, 2)) if wanted else []
    alike: set[Entity] = set()
    telling: set[Entity] = set()
    for pair in rng.sample(pairs, len(pairs)):
        rulers = [capital for town in pair if isinstance(capital := town.facts["capital"], Entity)]
        unfit = {*pair} & {*alike, *telling, *rulers} or {*rulers} & {*alike, *telling} or rulers[0] is rulers[1]
        if len(alike) == wanted or unfit:
            continue
        for town, ruler in zip(pair, rulers, strict=True):
            town.name, town.redirects, town.ruled_from = pair[0].name, [], ruler
        alike.update(pair)
        telling.update(rulers)


def _give_second_names(family: list[Entity], share: float, words: list[str], rng: random.Random) -> None:
    for entity in rng.sample(family, round(share * len(family))):
        entity.second_name = words.pop()
        entity.redirects.append(entity.second_name)


def _edit(family: list[Entity], share: float, rng: random.Random) -> None:
    """Give a share of the entities another year or number, and leave everything else as it is.

    A paragraph never repeats a word, so a repeated year would change which facts a retelling has. Therefore only years
    and numbers that are unique in the family are edited, and their new values are new to the family.
    """
    uses = Counter(_number(fact) for entity in family for fact in entity.facts.values() if isinstance(fact, str))
    for entity in family:
        written = {key: fact for key, fact in sorted(entity.facts.items()) if isinstance(fact, str)}
        single = [key for key, fact in written.items() if uses[_number(fact)] == 1]
        if rng.random() < share and single:
            key = rng.choice(single)
            old = _number(written[key])
            new = _another(old, uses, rng)
            uses[new] += 1
            entity.facts[key] = written[key].removesuffix(old) + new


def _number(fact: str) -> str:
    """The year or the number at the end of a fact."""
    return fact.rpartition(" ")[2]


def _another(number: str, used: Collection[str], rng: random.Random) -> str:
    while True:
        other = _year(rng) if int(number) < 2000 else str(rng.randint(2100, 9999))
        if other not in used:
            return other


def family_pages(number: int, split: Split, settings: WorldSettings, words: list[str]) -> Iterator[WorldPage]:
    """The short pages, redirects and retellings of one family."""
    rng = random.Random(f"{settings.seed} family {number}")
    family = _edited_family(number, settings, words, rng)
    for entity in family:
        yield WorldPage(entity.title, short_page(entity, rng), split)
        for title in entity.redirects:
            yield WorldPage(title, f"#REDIRECT [[{entity.title}]]", split, redirect=entity.title)
    for ordinal in range(settings.retellings):
        reteller = Reteller(family, rng, settings.descriptions)
        paragraphs = [reteller.paragraph(rng.randint(*_SPANS)) for _ in range(rng.randint(*_PARAGRAPHS))]
        yield WorldPage(f"Chronicle {number * settings.retellings + ordinal + 1}", "\n\n".join(paragraphs), split)


def _edited_family(number: int, settings: WorldSettings, words: list[str], rng: random.Random) -> list[Entity]:
    family = make_family(settings, words, rng)
    _edit(family, settings.edits, random.Random(f"{settings.seed} edits {number}"))
    return family


def _dealt(settings: WorldSettings, rng: random.Random) -> Iterator[tuple[int, Split, list[str]]]:
    """The number, the split and the words for names of each family."""
    names = NameWords(rng)
    entities = settings.towns + settings.firms + settings.people + settings.works
    a_family = entities + settings.people + round(settings.aliases * entities)
    splits = [split for split in Split for _ in range(settings.families.get(split, 0))]
    for number, split in enumerate(splits):
        yield number, split, names.deal(a_family)


def world_pages(settings: WorldSettings) -> list[WorldPage]:
    """All pages in random order, so that every part of the dump has pages of each split."""
    rng = random.Random(f"{settings.seed} world")
    pages = [
        page for number, split, words in _dealt(settings, rng) for page in family_pages(number, split, settings, words)
    ]
    rng.shuffle(pages)
    return pages


def world_questions(settings: WorldSettings) -> Iterator[WorldQuestion]:
    """The questions about every family, of the family's split."""
    for number, split, family in _families(settings):
        yield from family_questions(number, split, settings, family)


def world_claims(settings: WorldSettings) -> Iterator[WorldClaim]:
    """The claims about every family, of the family's split."""
    for number, split, family in _families(settings):
        yield from family_claims(number, split, settings, family)


def _families(settings: WorldSettings) -> Iterator[tuple[int, Split, list[Entity]]]:
    """The number, the split and the entities of each family."""
    for number, split, words in _dealt(settings, random.Random(f"{settings.seed} world")):
        yield number, split, _edited_family(number, settings, words, random.Random(f"{settings.seed} family {number}"))


# -- the dump -------------------------------------------------------------------------------------------------------

_HEADER = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">
  <siteinfo>
    <sitename>Small World</sitename>
    <dbname>{wiki}</dbname>
    <generator>MaskSearch small world</generator>
    <case>first-letter</case>
    <namespaces>
      <namespace key="-1" case="first-letter">Special</namespace>
      <namespace key="0" case="first-letter" />
      <namespace key="1" case="first-letter">Talk</namespace>
      <namespace key="10" case="first-letter">Template</namespace>
    </namespaces>
  </siteinfo>
"""
_FOOTER = "</mediawiki>\n"


def _revisions(pages: list[WorldPage], settings: WorldSettings) -> list[int]:
    """Revision ids; an edited page has a different revision than in the world without edits."""
    before = world_pages(settings.model_copy(update={"edits": 0.0})) if settings.edits else pages
    same = [page.text == earlier.text for page, earlier in zip(pages, before, strict=True)]
    return [page_id + (1_000_000 if is_same else 2_000_000) for page_id, is_same in enumerate(same, 1)]


def _page_xml(page_id: int, page: WorldPage, revision: int, date: str) -> str:
    redirect = f'    <redirect title="{escape(page.redirect)}" />\n' if page.redirect else ""
    return (
        f"  <page>\n    <title>{escape(page.title)}</title>\n    <ns>0</ns>\n    <id>{page_id}</id>\n{redirect}"
        f"    <revision>\n      <id>{revision}</id>\n"
        f"      <timestamp>{date[:4]}-{date[4:6]}-{date[6:]}T00:00:00Z</timestamp>\n"
        f"      <contributor><username>Small World</username><id>1</id></contributor>\n"
        f"      <model>wikitext</model>\n      <format>text/x-wiki</format>\n"
        f'      <text bytes="{len(page.text.encode())}" xml:space="preserve">{escape(page.text)}</text>\n'
        f"    </revision>\n  </page>\n"
    )


def write_world(settings: WorldSettings, snapshot: str, folder: str) -> None:
    """Write ``{wiki}-{date}-pages-articles-multistream.xml.bz2``, its index, and what is known about the world.

    ``splits.parquet`` has the columns page_id (int64) and split. ``questions.jsonl`` has a `WorldQuestion` a line and
    ``claims.jsonl`` a `WorldClaim`; each is written where the settings ask for it. Each file is written whole, the dump
    last.
    """
    pages = world_pages(settings)
    revisions = _revisions(pages, settings)
    wiki, date = wiki_of(snapshot), date_of(snapshot)
    dump, index = io.BytesIO(), []
    dump.write(bz2.compress(_HEADER.format(wiki=wiki).encode()))
    for start in range(0, len(pages), PAGES_A_STREAM):
        numbered = list(enumerate(pages[start : start + PAGES_A_STREAM], start + 1))
        index += [f"{dump.tell()}:{page_id}:{page.title}\n" for page_id, page in numbered]
        written = (_page_xml(page_id, page, revisions[page_id - 1], date) for page_id, page in numbered)
        dump.write(bz2.compress("".join(written).encode()))
    dump.write(bz2.compress(_FOOTER.encode()))

    stem = storage.join(folder, f"{wiki}-{date}-pages-articles-multistream")
    storage.write_bytes(storage.join(folder, "splits.parquet"), _splits_parquet(pages))
    if settings.questions:
        storage.write_bytes(storage.join(folder, QUESTIONS), _lines(world_questions(settings)))
    if settings.claims:
        storage.write_bytes(storage.join(folder, CLAIMS), _lines(world_claims(settings)))
    storage.write_bytes(f"{stem}-index.txt.bz2", bz2.compress("".join(index).encode()))
    storage.write_bytes(f"{stem}.xml.bz2", dump.getvalue())


def _lines(rows: Iterable[Record]) -> bytes:
    return "".join(f"{row.model_dump_json()}\n" for row in rows).encode()


def _splits_parquet(pages: list[WorldPage]) -> bytes:
    table = pa.table(
        {"page_id": pa.array(range(1, len(pages) + 1), pa.int64()), "split": [str(page.split) for page in pages]}
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()
