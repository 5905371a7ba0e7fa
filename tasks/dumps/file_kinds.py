"""Files that are published beside a dump of pages or are mistaken for one, recognised by name or by content."""

import re

_BY_NAME = {
    r"-stub-(?:articles|meta-current|meta-history)": "a stub dump, which has no text",
    r"-pages-logging": "a dump of log entries",
    r"-abstract": "a dump of abstracts",
    r"-multistream-index\d*\.txt": "the index of a multistream dump, not the dump",
    r"-all-titles": "a list of titles",
    r"\.sql(?:\.\w+)?$": "a table of the database",
    r"cirrussearch": "a dump of the search index",
    r"\.n?json(?:\.\w+)?$": "JSON",
    r"\.tsv(?:\.\w+)?$": "a table",
}
_TEXT = re.compile(rb"<text\b[^<>]*>")
# Stub dumps give the address of the text in these attributes. Hidden texts are empty too, but have no address.
_STORED_ELSEWHERE = re.compile(rb"\s(?:id|location)=")
_HTML = re.compile(r"\s*(?:<!doctype\s+html|<html)", re.IGNORECASE)


def kind_by_name(name: str) -> str | None:
    """What a file of this name is instead of a dump of pages; None if the name does not rule a dump of pages out."""
    return next((kind for pattern, kind in _BY_NAME.items() if re.search(pattern, name)), None)


def kind_by_content(head: bytes) -> str | None:
    """What a file that begins with these bytes is instead of a dump of pages; None for a dump of pages."""
    if _HTML.match(head[:256].decode("utf-8", "replace")):
        return "an HTML page, which servers send instead of a missing file"
    if b"<mediawiki" not in head:
        return None
    texts = _TEXT.findall(head)
    if any(map(_STORED_ELSEWHERE.search, texts)) and all(text.endswith(b"/>") for text in texts):
        return "a stub dump, which has no text"
    return "a dump of log entries" if b"<logitem>" in head and b"<page>" not in head else None
