"""Flags masks whose answer is visible in the prompt. Such masks are kept.

The rules of masking (`tasks.spans.spans`) compare a span's own words with the text. Here the other names of the target
count too: if "United States" is masked and "USA" is in the next sentence, no search is needed.
"""

from schemas.records import GivenAway, Mask, Question
from tasks.agent.scoring import holds

_SURE_LETTERS = 4
"""A shorter name counts only with the same case: "US" is not "us"."""


def flagged(question: Question, title: str | None) -> Question:
    """The question with ``given_away`` of every mask; existing flags stay.

    Args:
        title: None if the prompt does not show it.
    """
    assert question.masked_text is not None, "only RAMP questions have masks"
    visible = {GivenAway.TITLE: title or "", GivenAway.TEXT: question.masked_text}
    masks = []
    for mask in question.masks:
        revealing = [where for where, text in visible.items() if _reveals(text, mask)]
        flags = [flag for flag in GivenAway if flag in revealing or flag in (mask.given_away or [])]
        masks.append(mask.model_copy(update={"given_away": [flag.value for flag in flags]}))
    return question.model_copy(update={"masks": masks})


def _reveals(text: str, mask: Mask) -> bool:
    return any(_contains(text, name) for name in (mask.surface, *mask.aliases))


def _contains(text: str, name: str) -> bool:
    return holds(text, name) and (len(name) >= _SURE_LETTERS or name in text)
