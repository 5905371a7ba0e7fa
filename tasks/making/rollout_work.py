"""The work that rollouts take, by the agent's settings or by how long the last student's were."""

from schemas.settings import AgentSettings
from tasks.making.stage import Seen, Work


def work_of_rollouts(rows: int, agent: AgentSettings, seen: Seen | None) -> Work:
    """Rollouts are taken to be as long as the last student's; without one, as long as the settings allow."""
    if seen is None:
        generated = min(agent.max_turns * agent.max_turn_tokens, agent.max_tokens)
        return Work(rows=rows, generated=rows * generated, is_bound=True)
    return Work(rows=rows, generated=rows * round(seen.generated))


def tokens_of_rollout(agent: AgentSettings, seen: Seen | None) -> int:
    """Tokens of one trajectory, what the environment added included."""
    return agent.max_tokens if seen is None else round(seen.tokens)
