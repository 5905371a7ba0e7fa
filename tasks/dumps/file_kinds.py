"""Files that lie beside a dump of pages, or are taken for one: known by name or by content, and refused by kind."""

import re

_BY_NAME = {
    r"-stub-(?:articles|meta-current|meta-history)": "a stub dump, which has no text",
    r"-pages-logging": "a dump of log entries",
    r"-abstract": "a dump of abstracts",
    r"-multistream-index\d*\.txt": "the index of a multistream dump, and not the dump",
    r"-all-titles": "a list of titles",
    r"\.sql(?:\.\w+)?$": "a table of the database",
    r"cirrussearch": "a dump of the search index",
    r"\.n?json(?:\.\w+)?$": "JSON",
    r"\.tsv(?:\.\w+)?$": "a table",
}
_TEXT = re.compile(rb"<text\b[^<>]*>")
_STORED_ELSEWHERE = re.compile(rb"\s(?:id|location)=")
_PAGE = re.compile(r"\s*(?:<!doctype\s+html|<html)", re.IGNORECASE)


def kind_by_name(name: str) -> str | None:
    """What a file of this name is in place of a dump of pages; None where its name tells nothing of that."""
    return next((kind for pattern, kind in _BY_NAME.items() if re.search(pattern, name)), None)


def kind_by_content(head: bytes) -> str | None:
    """What a file that begins with these bytes is in place of a dump of pages; None for a dump of pages."""
    if _PAGE.match(head[:256].decode("utf-8", "replace")):
        return "an HTML page, as servers send in place of a file"
    if b"<mediawiki" not in head:
        return None
    texts = _TEXT.findall(head)
    if any(map(_STORED_ELSEWHERE.search, texts)) and all(text.endswith(b"/>") for text in texts):
        return "a stub dump, which has no text"
    return "a dump of log entries" if b"<logitem>" in head and b"<page>" not in head else None
