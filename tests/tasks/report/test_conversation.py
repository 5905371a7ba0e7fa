"""Nothing that was said may be lost on its way to a reader."""

from schemas.records import Author, Segment
from tasks.agent.protocol import answer_turn, search_turn
from tasks.report.conversation import Piece, Speech, conversation, pieces


def test_turns_fall_apart_into_what_was_thought_searched_shown_and_answered() -> None:
    segments = [
        Segment(author=Author.PROMPT, text="Fill in: a [mask]\n"),
        Segment(author=Author.MODEL, text=search_turn("who", ["one", "two"])),
        Segment(author=Author.ENVIRONMENT, text="<information>A: b\nC: d</information>"),
        Segment(author=Author.MODEL, text=answer_turn("so", "a b")),
    ]
    assert conversation(segments) == [
        Speech(Author.PROMPT, "prompt", "Fill in: a [mask]"),
        Speech(Author.MODEL, "think", "who"),
        Speech(Author.MODEL, "search", "one\ntwo"),
        Speech(Author.ENVIRONMENT, "information", "A: b\nC: d"),
        Speech(Author.MODEL, "think", "so"),
        Speech(Author.MODEL, "answer", "a b"),
    ]


def test_malformed_turns_are_shown_as_they_are() -> None:
    said = conversation([Segment(author=Author.MODEL, text="hm <think>a</think> oh <answer>b</wrong>")])
    assert [(speech.kind, speech.text) for speech in said] == [
        ("stray", "hm"),
        ("think", "a"),
        ("stray", "oh"),
        ("answer", "b</wrong>"),
    ]


def test_a_masked_paragraph_in_pieces() -> None:
    assert pieces("[mask] of [mask], [mask]", ["King", None]) == [
        Piece("King", 0),
        Piece(" of ", None),
        Piece("[mask]", 1),
        Piece(", ", None),
        Piece("[mask]", 2),
    ]
