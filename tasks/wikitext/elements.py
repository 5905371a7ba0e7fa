"""What MediaWiki reads before anything else: comments, and elements whose content is no wikitext of this page.

They are found in one scan from the left, so that whichever opens first holds all up to its own end: a comment's sign in
a block of code is code, and a block of code in a comment is a comment.
"""

import re

from tasks.templates.marks import GAP, lost

_LOSSES = "math|chem|ce|hiero|score|graph|syntaxhighlight|source|pre|del|strike"
"""What a reader sees of them is lost."""
_SILENT = (
    "gallery|timeline|imagemap|mapframe|maplink|templatestyles|templatedata|inputbox|categorytree|dynamicpagelist|"
    "references|section|indicator|phonos|charinsert|rss|ref"
)
"""What a reader sees of them is no part of a sentence."""
_UNSEEN = "includeonly"
"""Part of the pages that include this one, not of this one; to the end of the page where nothing closes it."""
_PLAIN = "noinclude|onlyinclude"
"""On the page itself only the tags vanish."""
_STRUCK = r"s(?=\s*+/?>|\s[^<>]*=)"
"""Its name may be a letter of a formula (tags.py)."""
_SILENT_NAMES = frozenset(_SILENT.split("|"))
ELEMENTS = frozenset(f"nowiki|s|{_LOSSES}|{_SILENT}|{_UNSEEN}|{_PLAIN}".split("|"))

_OPENING = re.compile(
    r"<(?:(?P<comment>!--)"
    rf"|/?(?:{_PLAIN})\s*+/?>"
    rf"|(?P<name>nowiki|{_STRUCK}|{_LOSSES}|{_SILENT}|{_UNSEEN})(?=[\s/>])(?P<attributes>[^<>]*+)>"
    r"(?:(?<!/>)(?P<body>[^<]*+)</(?P=name)\s*+>)?+)",
    re.IGNORECASE,
)
_COMMENTS = re.compile(r"<!--(?:.*?-->(?:[ \t]*+<!--.*?-->)*+|.*)", re.DOTALL)
_REST_OF_LINE = re.compile(r"[ \t]*+\n")
_REFERENCE = r"<ref(?=[\s>])[^<>]*+(?<!/)>"
_DEEPEST = 10
_ESCAPED = {ord(sign): f"&#{ord(sign)};" for sign in "[]{}|<>='*#:;&_-~"}


def without_elements(text: str) -> str:
    """Wikitext without comments and elements, each with the mark of what it leaves."""
    return _Scan(text).result() if "<" in text else text


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._pieces: list[str] = []
        self._ahead: dict[str, tuple[int, re.Match[str] | None]] = {}
        """By pattern, from where it was looked for and what was found."""

    def result(self) -> str:
        place = 0
        while found := _OPENING.search(self._text, place):
            self._pieces.append(self._text[place : found.start()])
            words, place = self._element(found)
            self._pieces.append(words)
        self._pieces.append(self._text[place:])
        return "".join(self._pieces)

    def _element(self, opening: re.Match[str]) -> tuple[str, int]:
        """What is left of the element that opens here, and where it ends."""
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
            # It ends the words of a link before it.
            before = GAP if not body or self._text.endswith("]]", 0, start) else ""
            return before + body.translate(_ESCAPED).replace("\n", " ")
        return lost(name) if body else ""

    def _unclosed(self, name: str, opening: re.Match[str]) -> tuple[str, int]:
        if name == _UNSEEN:
            return "", len(self._text)
        if name == "ref":  # most likely its note is that of one line
            end = self._text.find("\n", opening.end())
            return lost(name), end if end >= 0 else len(self._text)
        return opening[0], opening.end()

    def _end_of_comment(self, start: int) -> int:
        """Behind a comment; behind its line where nothing else stands on it."""
        found = _COMMENTS.match(self._text, start)
        assert found is not None
        while start and self._text[start - 1] in " \t":
            start -= 1
        is_alone = start == 0 or self._text[start - 1] == "\n"
        rest = _REST_OF_LINE.match(self._text, found.end()) if is_alone else None
        return rest.end() if rest else found.end()

    def _closing(self, name: str, start: int) -> re.Match[str] | None:
        """The tag that closes an element whose content begins here.

        MediaWiki takes the first. A reference within a reference, which it does not know, goes with the outer one
        where both are closed within a paragraph. Where the next reference opens on a later line instead, this one was
        never closed.
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
        """The tag that closes a reference as well as all within it, the first of which opens at ``inner``."""
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
        """The first match from ``start`` on. What was found for a start before this one is not looked for again."""
        searched, found = self._ahead.get(pattern, (len(self._text) + 1, None))
        if searched <= start and (found is None or start <= found.start()):
            return found
        found = re.compile(pattern, re.IGNORECASE).search(self._text, start)
        self._ahead[pattern] = start, found
        return found
