"""Wordings of the small world's facts: phrases, descriptions in place of a name, questions, and comparisons.

``{}`` stands for a name or for a description, in phrases for the value of the fact. Every fact has several wordings.
"""

from typing import Literal, NamedTuple

Kind = Literal["town", "person", "firm", "work"]

PAGE_PHRASES: dict[Kind, dict[str, str]] = {
    "town": {
        "capital": "is ruled from {}",
        "founded": "was founded in {}",
        "residents": "has a population of {}",
    },
    "person": {
        "birthplace": "was born in {}",
        "born": "was born on {}",
        "teacher": "was taught by {}",
    },
    "firm": {
        "seat": "is based in {}",
        "founder": "was founded by {}",
        "founded": "was founded in {}",
    },
    "work": {
        "author": "was written by {}",
        "publisher": "was published by {}",
        "published": "was published in {}",
    },
}
"""What is said of a name, in the words of the short pages."""

PHRASES: dict[Kind, dict[str, list[str]]] = {
    "town": {
        "capital": ["answers to {}", "is governed from {}"],
        "founded": ["dates back to {}", "was settled in {}"],
        "residents": ["has {} inhabitants", "is home to {} people"],
    },
    "person": {
        "birthplace": ["came from {}", "grew up in {}"],
        "born": ["has a birthday on {}", "first saw light on {}"],
        "teacher": ["was a pupil of {}", "learned from {}"],
    },
    "firm": {
        "seat": ["has its seat in {}", "is run from {}"],
        "founder": ["was set up by {}", "was the idea of {}"],
        "founded": ["opened in {}", "began in {}"],
    },
    "work": {
        "author": ["is by {}", "was penned by {}"],
        "publisher": ["was brought out by {}", "was printed for {}"],
        "published": ["came out in {}", "was first read in {}"],
    },
}
"""What is said of a name, in the words of the retellings."""

DESCRIPTIONS: dict[Kind, dict[str, list[str]]] = {
    "town": {"capital": ["the town that rules {}", "the capital of {}"]},
    "person": {
        "birthplace": ["the town where {} was born", "the birthplace of {}"],
        "teacher": ["the person who taught {}", "the teacher of {}"],
    },
    "firm": {
        "seat": ["the town where {} is based", "the seat of {}"],
        "founder": ["the person who founded {}", "the founder of {}"],
    },
    "work": {
        "author": ["the person who wrote {}", "the author of {}"],
        "publisher": ["the firm that published {}", "the publisher of {}"],
    },
}
"""By the kind of what is named: descriptions of the entity that this fact of it is."""

DESCRIPTIONS_BY_VALUE: dict[Kind, dict[str, list[str]]] = {
    "person": {"teacher": ["the person taught by {}", "the pupil of {}"]},
    "firm": {
        "seat": ["the firm based in {}"],
        "founder": ["the firm that {} founded", "the firm set up by {}"],
    },
    "work": {
        "author": ["the work that {} wrote", "the work by {}"],
        "publisher": ["the work that {} published"],
    },
}
"""By the kind of what is described: descriptions by the value of one of its facts, for values that no other has."""

QUESTIONS: dict[Kind, dict[str, list[str]]] = {
    "town": {
        "capital": ["Which town rules {}?", "From which town is {} ruled?", "What is the capital of {}?"],
        "founded": ["When was {} founded?", "In which year was {} founded?"],
        "residents": ["How many people live in {}?", "What is the population of {}?"],
    },
    "person": {
        "birthplace": ["Where was {} born?", "In which town was {} born?", "What is the birthplace of {}?"],
        "born": ["When was {} born?", "On which day was {} born?", "What is the birthday of {}?"],
        "teacher": ["Who taught {}?", "By whom was {} taught?", "Who was the teacher of {}?"],
    },
    "firm": {
        "seat": ["Where is {} based?", "In which town is {} based?", "What is the seat of {}?"],
        "founder": ["Who founded {}?", "Who set up {}?", "By whom was {} founded?"],
        "founded": ["When was {} founded?", "In which year did {} open?"],
    },
    "work": {
        "author": ["Who wrote {}?", "By whom was {} written?", "Who is the author of {}?"],
        "publisher": ["Which firm published {}?", "By which firm was {} published?", "Who is the publisher of {}?"],
        "published": ["When was {} published?", "In which year did {} come out?"],
    },
}
"""By the kind of what is asked about; the first wording of a fact uses the words of the short pages."""


class Comparison(NamedTuple):
    """``wording`` describes the entity with the larger number or year in ``key`` (the smaller where not ``most``)."""

    key: str
    most: bool
    wording: str


COMPARISONS: dict[Kind, list[Comparison]] = {
    "town": [
        Comparison("founded", False, "the older of the towns {} and {}"),
        Comparison("founded", True, "the younger of the towns {} and {}"),
        Comparison("residents", True, "the larger of the towns {} and {}"),
        Comparison("residents", False, "the smaller of the towns {} and {}"),
    ],
    "person": [
        Comparison("born", False, "the older of {} and {}"),
        Comparison("born", True, "the younger of {} and {}"),
    ],
    "firm": [
        Comparison("founded", False, "the older of the firms {} and {}"),
        Comparison("founded", True, "the younger of the firms {} and {}"),
    ],
    "work": [
        Comparison("published", False, "the earlier of the works {} and {}"),
        Comparison("published", True, "the later of the works {} and {}"),
    ],
}
