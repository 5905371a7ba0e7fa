"""Why something of a dump did not become a row."""

from enum import StrEnum

from schemas.records import Reject


class Reason(StrEnum):
    """Nothing here is worth another try: the same bytes give the same reject."""

    DAMAGED_STREAM = "damaged_stream"  # compressed bytes that cannot be decompressed, or that end too early
    CUT_OFF = "cut_off"  # the file ends before the dump does: nobody knows what is missing
    UNCLOSED_PAGE = "unclosed_page"
    OVERSIZED_PAGE = "oversized_page"
    BAD_XML = "bad_xml"  # a page that is no well-formed XML, or is not UTF-8
    REPEATED_PAGE = "repeated_page"  # the dump has the page again, in a newer revision or earlier in the dump
    NAMESPACE = "namespace"  # talk, user, template, category, ... pages
    NOT_WIKITEXT = "not_wikitext"
    NO_TEXT = "no_text"  # deleted, empty, or nothing but tables and templates
    DISAMBIGUATION = "disambiguation"
    LIST = "list"  # where the config drops lists
    REDIRECT_TO_SECTION = "redirect_to_section"  # no other name for the page: a part of it
    REDIRECT_TO_ITSELF = "redirect_to_itself"
    REDIRECT_OUTSIDE = "redirect_outside"  # to another namespace, or to no page at all


BROKEN = frozenset({Reason.UNCLOSED_PAGE, Reason.OVERSIZED_PAGE, Reason.BAD_XML})
"""Pages that could not be read."""


def reject(snapshot: str, row_id: str, reason: Reason, detail: str) -> Reject:
    return Reject(snapshot=snapshot, row_id=row_id, reason=reason, failed=False, detail=detail)
