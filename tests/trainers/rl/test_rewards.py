"""Rewards: each case is one that a published trainer or scorer got wrong, or is paid for by one."""

import pytest

from schemas.records import Author, EndReason, Question, Segment, Trajectory
from schemas.settings import AgentSettings
from schemas.training_settings import CurriculumPhase, DapoSettings, OptimiserSettings
from tasks.agent.protocol import answer_turn, search_turn
from tests.support.examples import qa_question, ramp_question, trajectory
from trainers.rl.rewards.earned import Reward, Rewarder, is_signal, last_answer

TEXT = "Arlen Brom was born in Great Tolm and died in Osk."
QUESTION = ramp_question(TEXT, ["Great Tolm", "Osk"])
SETTINGS = DapoSettings(
    curriculum=[CurriculumPhase(max_masks=2, steps=1)],
    optimiser=OptimiserSettings(lr=1e-4),
    overlong_cache=100,
)
SEARCHED = (Author.MODEL, search_turn("where", ["Arlen Brom"]))
FOUND = (Author.ENVIRONMENT, "<information>Arlen Brom: born in Great Tolm, died in Osk.</information>")


def _said(text: str) -> tuple[Author, str]:
    return Author.MODEL, text


def _rewarded(question: Question, rollout: Trajectory, max_tokens: int) -> Reward:
    return Rewarder(SETTINGS, max_tokens)(question, rollout)


def _reward(*turns: tuple[Author, str], end_reason: EndReason = EndReason.ANSWERED, max_tokens: int = 1000):
    return _rewarded(QUESTION, trajectory(QUESTION, turns, end_reason), max_tokens)


def test_a_right_answer_in_good_form_earns_everything():
    reward = _reward(SEARCHED, FOUND, _said(answer_turn("found", TEXT)))
    assert reward == (1.0, True, 1.0, 0.0, 1.0)


def test_half_the_masks_earn_half_of_the_answer_s_part():
    reward = _reward(SEARCHED, FOUND, _said(answer_turn("found", TEXT.replace("Osk", "Kell"))))
    assert reward.total == pytest.approx(0.2 + 0.8 * 0.5)


def test_a_broken_form_costs_its_own_part_and_half_of_the_answer_s():
    reward = _reward(SEARCHED, FOUND, _said(f"no thought <answer>{TEXT}</answer>"))
    assert (reward.well_formed, reward.recall) == (False, 1.0)
    assert reward.total == pytest.approx(0.8 * 0.5)


def test_one_broken_turn_on_the_way_breaks_the_form():
    reward = _reward(_said("<search>Arlen Brom</search>"), FOUND, _said(answer_turn("found", TEXT)))
    assert not reward.well_formed


def test_an_answer_inside_a_retrieved_passage_earns_nothing():
    planted = (Author.ENVIRONMENT, f"<information>x: <answer>{TEXT}</answer></information>")
    assert _reward(SEARCHED, planted, end_reason=EndReason.TURNS).total == 0.0
    assert _reward(SEARCHED, planted, _said(answer_turn("?", "no idea"))).recall == 0.0


def test_an_answer_in_an_earlier_turn_earns_nothing():
    early = _said(answer_turn("guess", TEXT))
    assert _reward(early, FOUND, SEARCHED, end_reason=EndReason.TURNS).total == 0.0


def test_tags_in_the_prompt_neither_earn_nor_cost():
    right = trajectory(QUESTION, [SEARCHED, FOUND, _said(answer_turn("found", TEXT))])
    shown = Segment(author=Author.PROMPT, text="Answer as in <answer>42</answer>.\n")
    with_example = right.model_copy(update={"segments": [shown, *right.segments[1:]]})
    assert _rewarded(QUESTION, with_example, 1000).total == 1.0
    only_example = right.model_copy(
        update={"segments": [shown.model_copy(update={"text": f"<answer>{TEXT}</answer>"})]}
    )
    assert _rewarded(QUESTION, only_example, 1000).total == 0.0


def test_text_after_the_closing_tag_breaks_the_form():
    assert not _reward(SEARCHED, FOUND, _said(answer_turn("found", TEXT) + " and more")).well_formed


def test_several_answers_in_the_last_turn_count_as_no_answer():
    twice = answer_turn("one", TEXT) + answer_turn("two", TEXT)
    assert _reward(SEARCHED, FOUND, _said(twice)).total == 0.0


def test_a_list_of_candidates_in_a_mask_earns_nothing_there():
    listed = TEXT.replace("Osk", "Osk, Kell, Tolm, Great Osk or Brom")
    assert _reward(SEARCHED, FOUND, _said(answer_turn("any", listed))).recall == pytest.approx(0.5)


@pytest.mark.parametrize("answer", [":", "Let's solve this step by step", "", "[mask]", TEXT.replace("Osk", "[mask]")])
def test_words_that_answer_nothing_earn_no_recall_at_their_mask(answer: str):
    assert _reward(_said(answer_turn("", answer))).recall <= 0.5
    assert _reward(_said(answer_turn("", answer.replace("Great Tolm", "[mask]")))).recall == 0.0


def test_an_answer_containing_valid_is_an_answer():
    question = qa_question(["a valid passport"], [[]])
    answered = trajectory(question, [_said(answer_turn("so", "a valid passport"))])
    assert _rewarded(question, answered, 1000).total == 1.0


def test_long_rollouts_are_fined_over_the_cache():
    turns = [SEARCHED, FOUND, _said(answer_turn("found", TEXT))]
    length = trajectory(QUESTION, turns).n_tokens
    assert _reward(*turns, max_tokens=length + 100).total == 1.0
    assert _reward(*turns, max_tokens=length + 50).total == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("written", "read", "penalty"),
    [(60, 3990, 0.0), (3990, 60, 0.0), (4014, 3000, -0.18), (4096, 0, -1.0), (0, 4096, 0.0)],
)
def test_what_a_rollout_read_is_not_its_length(written: int, read: int, penalty: float):
    row = trajectory(QUESTION, [SEARCHED, FOUND, _said(answer_turn("found", TEXT))])
    lengths = {Author.PROMPT: [0], Author.MODEL: [written // 2, written - written // 2], Author.ENVIRONMENT: [read]}
    segments = [
        segment.model_copy(update={"token_ids": [7] * lengths[Author(segment.author)].pop()})
        for segment in row.segments
    ]
    sampled = row.model_copy(update={"segments": segments, "n_tokens": written + read})
    assert _rewarded(QUESTION, sampled, 4096).overlong == pytest.approx(penalty)


def test_the_most_that_may_be_written_is_that_of_all_turns_or_of_the_whole_text():
    agent = AgentSettings(max_searches=4, max_turn_tokens=500, max_tokens=4096)
    assert agent.max_written_tokens == 2500
    assert agent.model_copy(update={"max_tokens": 2000}).max_written_tokens == 2000


def test_which_of_the_masks_was_right_makes_no_difference():
    """Recalls of 1/3 and 2/3, summed in every order."""
    golds = ["One Two Three", "Four Five Six", "Seven Eight Nine", "Ten Eleven Twelve"]
    text = "A {} met B {} then C {} saw D {} again."
    question = ramp_question(text.format(*golds), golds)
    rewards = []
    for best in range(4):
        said = text.format(*(" ".join(gold.split()[: 2 if at == best else 1]) for at, gold in enumerate(golds)))
        rewards.append(_rewarded(question, trajectory(question, [_said(answer_turn("so", said))]), 1000))
    assert {reward.total for reward in rewards} == {rewards[0].total}
    assert rewards[0].recall == pytest.approx(5 / 12)


@pytest.mark.parametrize("reason", list(EndReason))
def test_failures_of_tools_and_engine_and_refusals_are_no_signal(reason: EndReason):
    failed = trajectory(QUESTION, [SEARCHED], end_reason=reason)
    no_signal = (EndReason.TOOL_FAILED, EndReason.ENGINE_FAILED, EndReason.REQUEST_REFUSED)
    assert is_signal(failed) == (reason not in no_signal)


def test_the_last_answer_is_the_model_s_own():
    def answer_of(*turns: tuple[Author, str]) -> str | None:
        return last_answer(trajectory(QUESTION, turns))

    assert answer_of(SEARCHED, FOUND, _said(answer_turn("x", " a \n"))) == "a"
    assert answer_of(_said(answer_turn("x", "a")), FOUND) is None
    empty: Trajectory = trajectory(QUESTION, [])
    assert last_answer(empty.model_copy(update={"segments": []})) is None


@pytest.mark.parametrize("kind", ["exact", "f1", "recall"])
def test_a_claim_earns_all_for_its_label_and_nothing_for_naming_both(kind: str):
    settings = DapoSettings.model_validate({**SETTINGS.model_dump(), "reward": {"kind": kind}})
    claim = qa_question(["refuted"], [[]]).model_copy(update={"kind": "claim"})
    answers = ["refuted", "Refuted.", "supported", "supported or refuted", "not refuted"]
    rollouts = [trajectory(claim, [SEARCHED, FOUND, _said(answer_turn("so", answer))]) for answer in answers]
    assert [Rewarder(settings, 1000)(claim, rollout).answer for rollout in rollouts] == [1, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("kind", "of_list", "of_name"), [("recall", 1.0, 1.0), ("f1", 4 / 9, 1.0), ("exact", 0.0, 1.0)]
)
def test_a_list_of_guesses_earns_less_than_the_name_unless_recall_is_asked(kind, of_list, of_name):
    settings = DapoSettings.model_validate({**SETTINGS.model_dump(), "reward": {"kind": kind}})
    question = qa_question(["Great Tolm"], [[]])
    answers = ["Great Tolm, Osk, Kell, Ostel, Brim, Karlo", "Great Tolm"]
    rollouts = [trajectory(question, [SEARCHED, FOUND, _said(answer_turn("so", answer))]) for answer in answers]
    assert [Rewarder(settings, 1000)(question, rollout).answer for rollout in rollouts] == pytest.approx(
        [of_list, of_name]
    )
