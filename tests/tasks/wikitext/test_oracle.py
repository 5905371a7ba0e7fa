"""The scanner against mwparserfromhell's tree of real pages, walked independently."""

import re
from pathlib import Path

import mwparserfromhell
import pytest
from mwparserfromhell import nodes
from mwparserfromhell.wikicode import Wikicode

from tasks.dumps.dumps import cut, find_dump
from tasks.dumps.xml import RawPage, read_raw_pages, read_site
from tasks.wikitext.cleaning import clean
from tasks.wikitext.wikis import Wiki, wiki_of_site

HOLE = "\ufffc"
"""Stands for nodes that the walk does not render: sentences that contain it are not compared."""
NO_WORDS = re.compile(
    r"(?i)(cite|citation|sfn|harv|refn|efn|rp\b|cn\b|fact|clarify|which|who|when|page needed|dead link)"
)
HIDDEN_LINK = re.compile(r"(?i)\s*(file|image|category|datei|bild|kategorie|分類|分类|[a-z]{2,3}|simple|be-x-old)\s*:")
INLINE = {"b", "i", "u", "q", "s", "em", "big", "sub", "var", "small", "span", "strong", "abbr", "code", "cite", "tt"}
BLOCK = {"p", "div", "center", "blockquote", "li", "dd", "dt"}
UNSEEN = {"ref", "references", "gallery", "table", "timeline"}


def words(code: Wikicode) -> str:
    return "".join(map(words_of_node, code.nodes))


def words_of_node(node: nodes.Node) -> str:
    match node:
        case nodes.Text():
            return str(node)
        case nodes.Wikilink():
            title = str(node.title)
            return "" if HIDDEN_LINK.match(title) else words(node.text) if node.text else title.lstrip(":")
        case nodes.ExternalLink():
            return words(node.title) if node.title else "" if node.brackets else str(node.url)
        case nodes.HTMLEntity():
            return node.normalize() or ""
        case nodes.Comment():
            return ""
        case nodes.Heading():
            return "\n"
        case nodes.Template():
            return "" if NO_WORDS.match(str(node.name).strip()) else HOLE
        case nodes.Tag():
            return words_of_tag(str(node.tag).lower(), node)
    return HOLE


def words_of_tag(name: str, node: nodes.Tag) -> str:
    if name in UNSEEN:
        return ""
    if name in INLINE or name in BLOCK:
        inner = words(node.contents) if node.contents else ""
        return inner if name in INLINE else f"\n{inner}\n"
    return " " if name in ("br", "hr") else HOLE


def squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def sentences_of(page: RawPage) -> list[str]:
    lines = words(mwparserfromhell.parse(page.text)).split("\n")
    found = [sentence for line in lines for sentence in re.split(r"(?<=[.!?])\s+|(?<=[。！？])", line)]
    markup = re.compile(r"\{\||^\s*[|!]|<ref|\w=\w|&nbsp;")
    return [each for each in found if HOLE not in each and len(squeezed(each)) >= 15 and not markup.search(each)]


def real_pages(path: Path, language: str, every: int) -> tuple[Wiki, list[RawPage]]:
    (part,) = cut(find_dump(str(path)), 99)
    site = read_site(part)
    pages = [page for page in read_raw_pages(part, site) if isinstance(page, RawPage) and page.redirect is None]
    return wiki_of_site(site, language), [page for page in pages if page.namespace == 0][::every]


@pytest.mark.parametrize(
    ("name", "language", "every", "at_least"),
    [
        ("enwiki-multistream-derived", "en", 4, 0.99),
        ("dbpedia-minidumps/de.wiki.xml.bz2", "de", 1, 0.99),
        ("dbpedia-minidumps/zh.wiki.xml.bz2", "zh", 1, 0.98),
    ],
)
def test_nearly_every_sentence_of_the_oracle_is_found(
    test_data: Path, name: str, language: str, every: int, at_least: float
) -> None:
    wiki, pages = real_pages(test_data / "wiki" / name, language, every)
    found, missed = 0, []
    for page in pages:
        text = squeezed(clean(page.text, wiki).text)
        for sentence in sentences_of(page):
            if squeezed(sentence) in text:
                found += 1
            else:
                missed.append((page.title, sentence))
    assert found > 100
    assert found / (found + len(missed)) >= at_least, missed[:20]


KEPT = re.compile(r"\{\{\s*(convert|lang)\s*\|([^{}]*)\}\}", re.IGNORECASE)
DROPPED = re.compile(
    r"(?is)<!--.*?-->|<ref\b[^<>]*?(?:/>|>.*?</ref>)|<gallery.*?</gallery>|\{\|.*?\n\|\}|\[\[(?:File|Image):[^\n]*"
)


def test_the_numbers_of_convert_and_the_words_of_lang_are_kept(test_data: Path) -> None:
    """Only in prose: tables, references, captions and infoboxes are removed with their content."""
    wiki, pages = real_pages(test_data / "wiki" / "enwiki-multistream-derived", "en", 1)
    kept, lost = 0, []
    for page in pages:
        text = clean(page.text, wiki).text
        prose = [line for line in DROPPED.sub("", page.text).split("\n") if line[:1].isalpha() or line[:1] in "'[{"]
        for line in prose:
            for name, arguments in KEPT.findall(line if not line.startswith("{{Infobox") else ""):
                given = [piece.strip() for piece in arguments.split("|")]
                wanted = given[0].lstrip("-") if name.lower() == "convert" else given[1]
                shown = clean(wanted, wiki).text
                is_kept = any(form in text for form in (shown, f"{float(shown):,.0f}" if shown.isdecimal() else shown))
                kept += is_kept
                lost += [] if is_kept else [(page.title, name, arguments)]
    assert kept > 300
    assert kept / (kept + len(lost)) >= 0.97, lost
