"""Summary figures of a set of trajectories: yield, effort and diversity.

A teacher that trains on its own output may converge to a single trajectory. Before the yield falls, these figures do:
the shares of distinct queries and of distinct word triples in thoughts (distinct-n, arXiv 1510.03055), and the entropy
of plans. A plan is how many queries each search of a trajectory had. Self-similarity, the mean overlap of the thoughts
of two trajectories, rises.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from schemas.records import Author, EndReason, SearchOutcome, Trajectory, VerdictStatus
from tasks.agent.protocol import parse_turn
from tasks.agent.scoring import words


def sampled_tokens(trajectory: Trajectory) -> int:
    """The number of tokens that the model sampled; 0 for a teacher whose tokens are unknown."""
    return sum(len(segment.token_ids or []) for segment in trajectory.segments if segment.author == Author.MODEL)


def figures_of(trajectories: Iterable[Trajectory]) -> dict[str, Any]:
    """Means and shares over judged trajectories; empty if there are no trajectories."""
    rows = list(trajectories)
    if not rows:
        return {}
    searches = [search for row in rows for search in row.searches]
    return {
        "rollouts": len(rows),
        "accepted": sum(_is_accepted(row) for row in rows),
        "yield": fmean(_is_accepted(row) for row in rows),
        "answered": fmean(row.end_reason == EndReason.ANSWERED for row in rows),
        "recall": fmean(row.verdict.recall if row.verdict else 0.0 for row in rows),
        "mean_searches": fmean(len(row.searches) for row in rows),
        "found": _share(sum(search.outcome == SearchOutcome.FOUND for search in searches), len(searches)),
        "mean_tokens": fmean(row.n_tokens for row in rows),
        "mean_generated": fmean(sampled_tokens(row) for row in rows),
        "distinct_queries": _distinct(" ".join(words(query)) for search in searches for query in search.queries),
        "distinct_thought_trigrams": _distinct(trigram for row in rows for trigram in _thought_trigrams(row)),
        "plan_entropy": _entropy(tuple(len(search.queries) for search in row.searches) for row in rows),
        "self_similarity": _self_similarity(rows),
    }


def _is_accepted(row: Trajectory) -> bool:
    return row.verdict is not None and row.verdict.status == VerdictStatus.CORRECT


def _thought_trigrams(row: Trajectory) -> Iterable[tuple[str, ...]]:
    for segment in row.segments:
        turn = parse_turn(segment.text) if segment.author == Author.MODEL else None
        if turn is not None:
            thought = words(turn.think)
            yield from zip(thought, thought[1:], thought[2:], strict=False)


def _entropy(values: Iterable[object]) -> float:
    """In nats; 0 if all values are the same."""
    counts = Counter(values)
    shares = [count / counts.total() for count in counts.values()]
    return -sum(share * math.log(share) for share in shares) + 0.0  # never -0.0


def _self_similarity(rows: Sequence[Trajectory]) -> float:
    """Mean Jaccard overlap, from 0 to 1, of the word triples in the thoughts of pairs half of the rows apart.

    So far apart, two trajectories hardly answer the same question.
    """
    triples = [set(_thought_trigrams(row)) for row in rows]
    overlaps = [_share(len(a & b), len(a | b)) for a, b in zip(triples, triples[len(rows) // 2 :], strict=False)]
    return fmean(overlaps[: len(rows) // 2]) if len(rows) > 1 else 0.0


def _distinct(values: Iterable[object]) -> float:
    listed = list(values)
    return _share(len(set(listed)), len(listed))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
