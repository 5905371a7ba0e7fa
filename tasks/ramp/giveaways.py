"""Masks whose answer is in sight: they are kept, and flagged.

What is never masked (`tasks.ramp.spans`) looks at a span's own words. Here its other names count too: where "United
States" is masked and "USA" stands in the next sentence, nothing has to be searched for.
"""

from schemas.records import GivenAway, Mask, Question
from tasks.agent.scoring import holds

_SURE_LETTERS = 4
"""A shorter name counts only as it is written: "US" is not "us"."""


def flagged(question: Question, title: str | None) -> Question:
    """The question with every mask's ``given_away``; flags that are there stay.

    Args:
        title: None where the prompt does not show it.
    """
    assert question.masked_text is not None, "only RAMP questions have masks"
    in_sight = {GivenAway.TITLE: title or "", GivenAway.TEXT: question.masked_text}
    masks = []
    for mask in question.masks:
        told = [where for where, text in in_sight.items() if _tells(text, mask)]
        flags = [flag for flag in GivenAway if flag in told or flag in (mask.given_away or [])]
        masks.append(mask.model_copy(update={"given_away": [flag.value for flag in flags]}))
    return question.model_copy(update={"masks": masks})


def _tells(text: str, mask: Mask) -> bool:
    return any(_stands_in(text, name) for name in (mask.surface, *mask.aliases))


def _stands_in(text: str, name: str) -> bool:
    return holds(text, name) and (len(name) >= _SURE_LETTERS or name in text)
