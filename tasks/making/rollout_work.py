"""The work of rollouts, by the agent's settings or by the lengths of the last student's rollouts."""

from schemas.settings import AgentSettings
from tasks.making.stage import Seen, Work


def work_of_rollouts(rows: int, agent: AgentSettings, seen: Seen | None) -> Work:
    """Assume rollouts as long as the last student's; without a student, as long as the settings allow."""
    if seen is None:
        generated = min(agent.max_turns * agent.max_turn_tokens, agent.max_tokens)
        return Work(rows=rows, generated=rows * generated, is_bound=True)
    return Work(rows=rows, generated=rows * round(seen.generated))


def tokens_of_rollout(agent: AgentSettings, seen: Seen | None) -> int:
    """Tokens of one trajectory, including those that the environment added."""
    return agent.max_tokens if seen is None else round(seen.tokens)
