"""Comments, and elements whose content is not wikitext of this page: MediaWiki reads them before anything else.

They are found in one scan from the left. Whichever opens first reaches to its own end: a comment within a block of
code is code, and a block of code within a comment is a comment.
"""

import re

from tasks.templates.marks import GAP, lost

_LOSSES = "math|chem|ce|hiero|score|graph|syntaxhighlight|source|pre|del|strike"
"""Elements that show words or formulas, which are lost."""
_SILENT = (
    "gallery|timeline|imagemap|mapframe|maplink|templatestyles|templatedata|inputbox|categorytree|dynamicpagelist|"
    "references|section|indicator|phonos|charinsert|rss|ref"
)
"""Elements whose output belongs to no sentence."""
_UNSEEN = "includeonly"
"""The content belongs to pages that include this page. Unclosed, the element reaches to the end of the page."""
_PLAIN = "noinclude|onlyinclude"
"""Only the tags are removed; the content belongs to this page."""
_STRUCK = r"s(?=\s*+/?>|\s[^<>]*=)"
"""The tag ``<s>``. Without a closing bracket or an attribute, ``<s`` compares a letter (tags.py)."""
_SILENT_NAMES = frozenset(_SILENT.split("|"))
ELEMENTS = frozenset(f"nowiki|s|{_LOSSES}|{_SILENT}|{_UNSEEN}|{_PLAIN}".split("|"))

# One pattern, because alternatives of one search find whatever opens first. An element without a tag in its body, the
# usual case, is matched as a whole: `body` spares the search for its closing tag. Its group is possessive, so that an
# unclosed element is read once. An element that ends in "/>" has no body.
_OPENING = re.compile(
    r"<(?:(?P<comment>!--)"
    rf"|/?(?:{_PLAIN})\s*+/?>"
    rf"|(?P<name>nowiki|{_STRUCK}|{_LOSSES}|{_SILENT}|{_UNSEEN})(?=[\s/>])(?P<attributes>[^<>]*+)>"
    r"(?:(?<!/>)(?P<body>[^<]*+)</(?P=name)\s*+>)?+)",
    re.IGNORECASE,
)
# Comments in a row count as one when their line is checked for other text. An unclosed comment reaches to the end of
# the page.
_COMMENTS = re.compile(r"<!--(?:.*?-->(?:[ \t]*+<!--.*?-->)*+|.*)", re.DOTALL)
_REST_OF_LINE = re.compile(r"[ \t]*+\n")
_REFERENCE = r"<ref(?=[\s>])[^<>]*+(?<!/)>"
_DEEPEST = 10
"""References nested deeper than this are not followed."""
_ESCAPED = {ord(sign): f"&#{ord(sign)};" for sign in "[]{}|<>='*#:;&_-~"}


def without_elements(text: str) -> str:
    """Wikitext without comments and elements; an element leaves a gap, a loss or its words."""
    return _Scan(text).result() if "<" in text else text


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._pieces: list[str] = []
        self._ahead: dict[str, tuple[int, re.Match[str] | None]] = {}
        """By pattern, the offset from which it was searched, and the match."""

    def result(self) -> str:
        place = 0
        while found := _OPENING.search(self._text, place):
            self._pieces.append(self._text[place : found.start()])
            words, place = self._element(found)
            self._pieces.append(words)
        self._pieces.append(self._text[place:])
        return "".join(self._pieces)

    def _element(self, opening: re.Match[str]) -> tuple[str, int]:
        """The replacement of the element that opens here, and the offset of its end."""
        if opening["comment"]:
            return "", self._end_of_comment(opening.start())
        if opening["name"] is None:
            return "", opening.end()
        name = opening["name"].lower()
        if opening["body"] is not None:
            return self._words(name, opening["body"], opening.start()), opening.end()
        if opening["attributes"].endswith("/"):
            return (GAP if name in _SILENT_NAMES or name == "nowiki" else ""), opening.end()
        closing = self._closing(name, opening.end())
        if closing is None:
            return self._unclosed(name, opening)
        body = self._text[opening.end() : closing.start()]
        return self._words(name, body, opening.start()), closing.end()

    def _words(self, name: str, body: str, start: int) -> str:
        if name in _SILENT_NAMES:
            return GAP
        if name == _UNSEEN:
            return ""
        if name == "nowiki":
            # The gap keeps these words from joining the link before them as its trail.
            before = GAP if not body or self._text.endswith("]]", 0, start) else ""
            return before + body.translate(_ESCAPED).replace("\n", " ")
        return lost(name) if body else ""

    def _unclosed(self, name: str, opening: re.Match[str]) -> tuple[str, int]:
        if name == _UNSEEN:
            return "", len(self._text)
        if name == "ref":  # the note is most likely the rest of its line
            end = self._text.find("\n", opening.end())
            return lost(name), end if end >= 0 else len(self._text)
        return opening[0], opening.end()

    def _end_of_comment(self, start: int) -> int:
        """The offset behind a comment, or behind its line if the comment is alone on it, as MediaWiki reads it."""
        found = _COMMENTS.match(self._text, start)
        assert found is not None
        while start and self._text[start - 1] in " \t":
            start -= 1
        is_alone = start == 0 or self._text[start - 1] == "\n"
        rest = _REST_OF_LINE.match(self._text, found.end()) if is_alone else None
        return rest.end() if rest else found.end()

    def _closing(self, name: str, start: int) -> re.Match[str] | None:
        """The tag that closes an element whose content begins at ``start``.

        MediaWiki takes the first closing tag. It does not nest references: here a reference within a reference is
        dropped with the outer one if both are closed within a paragraph. If they are not, and the next reference opens
        on a later line, this reference was never closed.
        """
        closing = self._next(rf"</{name}\s*>", start)
        if name != "ref" or closing is None:
            return closing
        inner = self._next(_REFERENCE, start)
        if inner is None or inner.start() > closing.start():
            return closing
        outer = self._closing_of_nested(inner, closing)
        if outer is None and "\n" in self._text[start : inner.start()]:
            return None
        return outer or closing

    def _closing_of_nested(self, inner: re.Match[str] | None, first: re.Match[str]) -> re.Match[str] | None:
        """The tag that closes a reference and all references within it, the first of which opens at ``inner``."""
        closing: re.Match[str] | None = first
        depth = 1
        while closing is not None and depth < _DEEPEST:
            if inner is not None and inner.start() < closing.start():
                depth, inner = depth + 1, self._next(_REFERENCE, inner.end())
                continue
            if self._text.find("\n\n", first.end(), closing.start()) >= 0:
                return None
            depth -= 1
            if not depth:
                return closing
            closing = self._next(r"</ref\s*>", closing.end())
        return None

    def _next(self, pattern: str, start: int) -> re.Match[str] | None:
        """The first match from ``start`` on. A match from an earlier search is used again if it still is the first.

        Without this, many unclosed references would each search the whole page: quadratic time.
        """
        searched, found = self._ahead.get(pattern, (len(self._text) + 1, None))
        if searched <= start and (found is None or start <= found.start()):
            return found
        found = re.compile(pattern, re.IGNORECASE).search(self._text, start)
        self._ahead[pattern] = start, found
        return found
