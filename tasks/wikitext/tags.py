"""HTML tags of wikitext. Only names that MediaWiki knows are tags: ``x<y and z>w`` is text."""

import re

from tasks.wikitext.elements import ELEMENTS

_INLINE = (
    "abbr bdi bdo big cite code data dd dfn dt em font img ins kbd li link mark meta nobr rb rp rt rtc ruby "
    "samp small span strong sub sup time tt var wbr"
)
_BLOCKS = "div|center|blockquote|poem|ul|ol|dl|h[1-6]|table|caption|thead|tbody|tfoot|tr|td|th"
_KNOWN = ELEMENTS.union(_INLINE.split(" "))

# ``p<q and r>s`` compares letters that are also names of tags. A tag of one letter must end at once or have an
# attribute with a value.
_LETTER = r"(?=\s*+/?>|\s[^<>]*=)"
_TAG = re.compile(rf"</?(?:([a-zA-Z][a-zA-Z0-9]++)(?=[\s/>])|[abisuABISU]{_LETTER})[^<>]*+>")
_BREAK = re.compile(r"</?(?:br|hr)(?=[\s/>\\])[^<>]*>", re.IGNORECASE)
_BLOCK = re.compile(rf"</?(?:p{_LETTER}|(?:{_BLOCKS})(?=[\s/>]))[^<>]*>", re.IGNORECASE)
_HEADING = re.compile(r"<h([1-6])(?=[\s>])[^<>]*>([^<>\n]*)</h\1\s*>", re.IGNORECASE)
_ITEM = re.compile(r"<(?:li|dd|dt)(?=[\s/>])[^<>]*>", re.IGNORECASE)
_QUOTE = re.compile(rf"</?q{_LETTER}[^<>]*>", re.IGNORECASE)
_BRACKET = re.compile(r"<rp(?=[\s>])[^<>]*>[^<>]*(?:</rp\s*>)?", re.IGNORECASE)
_READING = re.compile(r"<rt(?=[\s>])[^<>]*>([^<>]*)(?:</rt\s*>)?", re.IGNORECASE)


def without_tags(text: str) -> str:
    """The text with blank lines around blocks, list items on their own lines, and quotation marks for ``<q>``."""
    if "<" not in text:
        return text
    text = _HEADING.sub(_heading, text)
    text = _ITEM.sub("\n* ", _BLOCK.sub("\n\n", _BREAK.sub(" ", text)))
    if "<r" in text or "<R" in text:  # ruby: characters with their reading above them
        text = _READING.sub(lambda found: f"({found[1].strip()})" if found[1].strip() else "", _BRACKET.sub("", text))
    return _TAG.sub(_known, _QUOTE.sub('"', text))


def _heading(found: re.Match[str]) -> str:
    signs = "=" * int(found[1])
    return f"\n\n{signs} {found[2].strip()} {signs}\n\n"


def _known(tag: re.Match[str]) -> str:
    return "" if tag[1] is None or tag[1].lower() in _KNOWN else tag[0]
