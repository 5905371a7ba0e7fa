"""`masksearch sets`: what would be read from a file of questions."""

import json
from collections import Counter
from typing import Any

from rich.console import Console
from rich.markup import escape

from schemas.counts import counted
from schemas.errors import BadInput
from schemas.set_settings import SetSettings, layout_settings
from tasks.sets.datasets import detected_layout
from tasks.sets.interface import SetQuestion
from tasks.sets.questions import SetReject, read_questions

_EXAMPLES = 3


def inspect(path: str, layout: str | None, as_json: bool, console: Console) -> None:
    """Print the layout, the number of questions, rejects by reason, and the first questions.

    Raises:
        BadInput: the file cannot be read or has no records, or the layout is unknown.
    """
    settings = _settings(path, layout)
    name = layout or detected_layout(path)
    n_questions, examples, rejects = 0, list[SetQuestion](), list[SetReject]()
    for row in read_questions(settings):
        if isinstance(row, SetReject):
            rejects.append(row)
            continue
        n_questions += 1
        if len(examples) < _EXAMPLES:
            examples.append(row)
    if not n_questions and not rejects:
        raise BadInput(f"{path}: it has no records: give a file of questions")
    reasons = dict(sorted(Counter(str(reject.reason) for reject in rejects).items()))
    if as_json:
        for example in examples:
            print(json.dumps(_known(example)))
        print(json.dumps({"layout": name, "questions": n_questions, "rejects": reasons}))
        return
    console.print(
        f"layout {name}: {counted(n_questions, 'question')}, {counted(len(rejects), 'reject')}", highlight=False
    )
    for reason, count in reasons.items():
        first = next(reject for reject in rejects if reject.reason == reason)
        console.print(f"  {count:,} {reason}, such as {escape(first.detail)}", highlight=False, soft_wrap=True)
    if n_questions > len(examples):
        console.print(f"the first {len(examples)}:", highlight=False)
    for example in examples:
        console.print(_described(example), highlight=False, soft_wrap=True)


def _settings(path: str, layout: str | None) -> SetSettings:
    try:
        return layout_settings(layout, path)
    except ValueError as error:
        raise BadInput(f"--layout {layout}: {error}") from None


def _known(question: SetQuestion) -> dict[str, Any]:
    answers = list(question.answers)
    known = {"id": question.id, "question": question.question, "answers": answers}
    return {**known, "type": question.type, "hops": question.hops}


def _described(question: SetQuestion) -> str:
    """A question with its answers, and what is known about it."""
    answer, *others = question.answers
    known = [
        question.type,
        counted(question.hops, "hop") if question.hops else None,
        counted(len(question.support), "supporting passage") if question.support else None,
        counted(len(question.steps), "step") if question.steps else None,
    ]
    lines = [f"[bold]{escape(question.question)}[/]", f"   {question.id}", f"   answer: {escape(answer)}"]
    lines += [f"   or: {escape('; '.join(others))}"] if others else []
    lines += [f"   {escape(', '.join(word for word in known if word))}"] if any(known) else []
    return "\n".join(lines)
