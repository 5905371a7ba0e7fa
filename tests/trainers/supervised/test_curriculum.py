"""The order of trajectories: the curriculum's phases, balance, weights, and purity."""

import itertools
from collections import Counter

import pytest

from schemas.errors import BadInput
from schemas.training_settings import CurriculumPhase, OptimiserSettings, SftSettings
from trainers.supervised.curriculum import Example, StepPlan, plan


def _settings(*phases: tuple[int, int], seed: int = 1) -> SftSettings:
    return SftSettings(
        seed=seed,
        curriculum=[CurriculumPhase(max_masks=masks, steps=steps) for masks, steps in phases],
        tokens_per_step=2048,
        optimiser=OptimiserSettings(lr=1e-3),
    )


def _examples(counts: dict[int, int], weight: float = 1.0) -> list[Example]:
    return [
        Example(n_tokens=100 + 50 * masks + index % 17, level=masks, weight=weight)
        for masks, count in counts.items()
        for index in range(count)
    ]


def _drawn(steps: list[StepPlan]) -> list[int]:
    return [index for step in steps for index in step.examples]


def test_phase_k_mixes_one_to_k_masks_in_equal_numbers_however_many_there_are():
    examples = _examples({1: 300, 2: 40, 3: 5, 4: 100})
    steps = list(plan(examples, _settings((1, 30), (3, 60))))
    assert [step.phase for step in steps] == [1] * 30 + [3] * 60
    first = Counter(examples[index].level for index in _drawn(steps[:30]))
    later = Counter(examples[index].level for index in _drawn(steps[30:]))
    assert set(first) == {1}
    assert set(later) == {1, 2, 3}
    assert max(later.values()) < 1.15 * min(later.values())


def test_steps_have_their_tokens_on_average_and_mix_numbers_of_masks():
    examples = _examples({1: 100, 2: 100, 3: 100, 4: 100})
    steps = list(plan(examples, _settings((4, 200))))
    longest = max(example.n_tokens for example in examples)
    held = 0
    for number, step in enumerate(steps, start=1):
        held += sum(examples[index].n_tokens for index in step.examples)
        assert 2048 * number <= held < 2048 * number + longest
        assert len({examples[index].level for index in step.examples}) == 4


def test_an_example_longer_than_a_step_is_a_step_of_its_own():
    examples = [Example(n_tokens=5000, level=1, weight=1.0), Example(n_tokens=100, level=1, weight=1.0)]
    assert all(step.examples for step in plan(examples, _settings((1, 50))))


def test_an_epoch_draws_every_example_before_any_comes_back():
    order = _drawn(list(plan(_examples({2: 50}), _settings((2, 40)))))
    epochs = [sorted(order[at : at + 50]) for at in range(0, len(order) - 49, 50)]
    assert len(epochs) > 3
    assert all(epoch == list(range(50)) for epoch in epochs)


def test_weights_say_how_often_a_source_is_drawn():
    examples = _examples({1: 200}) + _examples({1: 200}, weight=2.5)
    counts = Counter(index >= 200 for index in _drawn(list(plan(examples, _settings((1, 400))))))
    assert counts[True] / counts[False] == pytest.approx(2.5, rel=0.05)


def test_the_order_is_a_function_of_the_seed_and_the_step_alone():
    examples = _examples({1: 60, 2: 60})
    whole = list(plan(examples, _settings((1, 20), (2, 40))))
    assert list(itertools.islice(plan(examples, _settings((1, 20), (2, 40))), 33, None)) == whole[33:]
    assert list(plan(examples, _settings((1, 20), (2, 40), seed=2))) != whole
    longer = list(plan(examples, _settings((1, 20), (2, 80))))
    assert longer[:60] == whole


def test_a_phase_without_examples_of_its_own_is_refused():
    with pytest.raises(BadInput, match="up to 4 masks"):
        list(plan(_examples({1: 10, 2: 10}), _settings((2, 1), (4, 1))))


def test_questions_without_masks_take_a_turn_in_every_phase():
    examples = _examples({0: 20, 1: 20})
    assert {examples[index].level for index in _drawn(list(plan(examples, _settings((1, 5)))))} == {0, 1}
    assert list(plan(_examples({0: 20}), _settings((1, 5))))
