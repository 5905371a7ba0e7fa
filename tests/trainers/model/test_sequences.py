"""Which tokens are trained: the model's own, as they were sampled, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Author, Segment, Trajectory
from tasks.agent.tokenizer import AgentTokenizer
from trainers.model.sequences import sequence_of


def _with(trajectory: Trajectory, segments: list[Segment]) -> Trajectory:
    return trajectory.model_copy(update={"segments": segments})


def test_only_what_the_model_wrote_is_trained(trajectories: list[Trajectory], tokenizer: AgentTokenizer):
    trajectory = trajectories[3]
    sequence = sequence_of(trajectory, tokenizer)
    written = tokenizer.decode(sequence.token_ids[sequence.trained].tolist())
    read = tokenizer.decode(sequence.token_ids[~sequence.trained].tolist())
    own = "".join(segment.text for segment in trajectory.segments if segment.author == Author.MODEL)
    assert written == own
    assert "<information>" not in written
    assert "<answer>" not in read
    assert read.count("<information>") == read.count("</information>") == 4


def test_sampled_ids_are_trained_as_they_were_sampled(trajectories: list[Trajectory], tokenizer: AgentTokenizer):
    # Two pieces where the tokenizer would write one: decoding and encoding again would train other tokens.
    text = "Karlo"
    whole = tokenizer.encode(text)
    pieces = [token for letter in text for token in tokenizer.encode(letter)]
    assert pieces != whole
    own = Segment(author=Author.MODEL, text=text, token_ids=pieces, logprobs=[-0.5] * len(pieces))
    sequence = sequence_of(_with(trajectories[0], [trajectories[0].segments[0], own]), tokenizer)
    assert sequence.token_ids[sequence.trained].tolist() == pieces
    assert sequence.logprobs is not None
    assert sequence.logprobs[sequence.trained].tolist() == [-0.5] * len(pieces)
    assert not sequence.logprobs[~sequence.trained].any()


def test_a_segment_without_one_logprob_a_token_is_refused(trajectories: list[Trajectory], tokenizer: AgentTokenizer):
    broken = Segment(author=Author.MODEL, text="ab", token_ids=[5, 6], logprobs=[-1.0])
    with pytest.raises(ValueError, match="logprobs and tokens differ"):
        sequence_of(_with(trajectories[0], [broken]), tokenizer)


_SEGMENTS = st.lists(
    st.tuples(st.sampled_from(list(Author)), st.lists(st.integers(0, 99), max_size=6), st.booleans()), max_size=8
)


@given(segments=_SEGMENTS)
def test_segments_keep_their_places(
    trajectories: list[Trajectory], tokenizer: AgentTokenizer, segments: list[tuple[Author, list[int], bool]]
):
    made = [
        Segment(author=author, text="", token_ids=ids, logprobs=[-float(t) for t in ids] if sampled else None)
        for author, ids, sampled in segments
    ]
    sequence = sequence_of(_with(trajectories[0], made), tokenizer)
    assert sequence.token_ids.tolist() == [token for segment in made for token in segment.token_ids or []]
    own = [segment.author == Author.MODEL for segment in made for _ in segment.token_ids or []]
    assert sequence.trained.tolist() == own
    if sequence.logprobs is not None:
        given_back = np.concatenate(
            [np.empty(0), *(segment.logprobs or [0.0] * len(segment.token_ids or []) for segment in made)]
        )
        assert sequence.logprobs.tolist() == given_back.tolist()
