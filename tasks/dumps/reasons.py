"""Reasons for which a page or a range of bytes of a dump does not become a row."""

from enum import StrEnum

from schemas.records import Reject


class Reason(StrEnum):
    """Another try would not help: the same bytes give the same reject."""

    DAMAGED_STREAM = "damaged_stream"  # compressed bytes that cannot be decompressed, or that end too early
    CUT_OFF = "cut_off"  # the file ends before the dump does, so the number of missing pages is unknown
    UNCLOSED_PAGE = "unclosed_page"
    OVERSIZED_PAGE = "oversized_page"
    BAD_XML = "bad_xml"  # a page that is not well-formed XML, or not UTF-8
    REPEATED_PAGE = "repeated_page"  # the dump has the page again, with a newer revision or earlier in the dump
    NAMESPACE = "namespace"  # talk, user, template, category, ... pages
    NOT_WIKITEXT = "not_wikitext"
    NO_TEXT = "no_text"  # deleted, empty, or only tables and templates
    DISAMBIGUATION = "disambiguation"
    LIST = "list"  # if the config drops lists
    REDIRECT_TO_SECTION = "redirect_to_section"  # names a part of the page, so it is not another name of the page
    REDIRECT_TO_ITSELF = "redirect_to_itself"
    REDIRECT_OUTSIDE = "redirect_outside"  # to another namespace, or to a title that no page can have


BROKEN = frozenset({Reason.UNCLOSED_PAGE, Reason.OVERSIZED_PAGE, Reason.BAD_XML})
"""Pages that could not be read."""


def reject(snapshot: str, row_id: str, reason: Reason, detail: str) -> Reject:
    return Reject(snapshot=snapshot, row_id=row_id, reason=reason, failed=False, detail=detail)
