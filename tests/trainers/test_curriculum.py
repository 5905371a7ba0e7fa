"""The order of trajectories: the curriculum's stages, balance, weights, and purity."""

import itertools
from collections import Counter

import pytest

from schemas.errors import BadInput
from schemas.settings import CurriculumStage, EngineeringSettings, OptimiserSettings, SftSettings
from trainers.curriculum import Example, StepPlan, plan


def _settings(*stages: tuple[int, int], seed: int = 1) -> SftSettings:
    return SftSettings(
        seed=seed,
        curriculum=[CurriculumStage(max_masks=masks, steps=steps) for masks, steps in stages],
        tokens_per_step=2048,
        optimiser=OptimiserSettings(lr=1e-3),
        engineering=EngineeringSettings(micro_batch_tokens=512),
    )


def _examples(counts: dict[int, int], weight: float = 1.0) -> list[Example]:
    return [
        Example(n_tokens=100 + 50 * masks + index % 17, n_masks=masks, weight=weight)
        for masks, count in counts.items()
        for index in range(count)
    ]


def _drawn(steps: list[StepPlan]) -> list[int]:
    return [index for step in steps for block in step.blocks for index in block]


def test_stage_k_mixes_one_to_k_masks_in_equal_numbers_however_many_there_are():
    examples = _examples({1: 300, 2: 40, 3: 5, 4: 100})
    steps = list(plan(examples, _settings((1, 30), (3, 60))))
    assert [step.stage for step in steps] == [1] * 30 + [3] * 60
    first = Counter(examples[index].n_masks for index in _drawn(steps[:30]))
    later = Counter(examples[index].n_masks for index in _drawn(steps[30:]))
    assert set(first) == {1}
    assert set(later) == {1, 2, 3}
    assert max(later.values()) < 1.15 * min(later.values())


def test_every_step_is_about_its_tokens_and_its_blocks_are_of_like_length():
    examples = _examples({1: 100, 2: 100, 3: 100, 4: 100})
    steps = list(plan(examples, _settings((4, 200))))
    sizes = [sum(examples[i].n_tokens for block in step.blocks for i in block) for step in steps]
    assert 1700 < sum(sizes) / len(sizes) < 2300
    padded = sum(max(examples[i].n_tokens for i in b) * len(b) for step in steps for b in step.blocks)
    assert padded < 1.05 * sum(sizes)
    mixed = [len({examples[i].n_masks for block in step.blocks for i in block}) for step in steps]
    assert sum(mixed) / len(mixed) > 1.8


def test_an_epoch_draws_every_example_before_any_comes_back():
    examples = _examples({2: 50})
    order = [block for step in plan(examples, _settings((2, 40))) for block in step.blocks]
    counts: Counter[int] = Counter()
    for block in order:
        counts.update(block)
    assert set(counts) == set(range(50))
    assert max(counts.values()) - min(counts.values()) <= 4  # sorted within windows, so not exactly in turn


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


def test_a_stage_without_examples_of_its_own_is_refused():
    with pytest.raises(BadInput, match="up to 4 masks"):
        list(plan(_examples({1: 10, 2: 10}), _settings((2, 1), (4, 1))))


def test_questions_without_masks_take_a_turn_in_every_stage():
    examples = _examples({0: 20, 1: 20})
    assert {examples[index].n_masks for index in _drawn(list(plan(examples, _settings((1, 5)))))} == {0, 1}
    assert list(plan(_examples({0: 20}), _settings((1, 5))))
