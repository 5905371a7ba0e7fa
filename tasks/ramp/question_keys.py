"""What makes two questions the same: their words, whatever their order, except for words that carry no content.

"In which town was Karlo Brim born?" is "Which town was Karlo Brim born in?". Questions of one template differ, because
they name something else ("Where was Anna Brim born?"), ask for something else ("When was Karlo Brim born?") or turn the
question around ("born first" and "born last"): the names, the interrogatives, and all words of time, order and negation
count. Similarity would not tell these apart: two questions of one template share most of their words.
"""

from schemas.manifest import digest_of
from tasks.agent.scoring import words

_ENGLISH = "a an the is are was were be been am do does did has have had of in on at to for by from with as"
_GERMAN = """
der die das dem den des ein eine einem einen einer eines ist sind war waren wird wurde wurden hat haben hatte hatten
von vom in im an am auf zu zum zur für durch mit bei beim aus als
"""
_WITHOUT_CONTENT = {"en": frozenset(_ENGLISH.split()), "de": frozenset(_GERMAN.split())}
"""By language: articles, auxiliary verbs, and prepositions that a wording moves or exchanges."""


def question_key(question: str, language: str) -> str | None:
    """A digest that two questions share if they are the same; None for a text without words."""
    told = words(question)
    content = [word for word in told if word not in _WITHOUT_CONTENT.get(language, frozenset())]
    return digest_of(sorted(content or told)) if told else None
