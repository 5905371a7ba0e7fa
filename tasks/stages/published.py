"""Published models that the evaluation compares with those of the config."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.config import PipelineConfig
from schemas.evaluation_settings import ContestantSettings
from schemas.manifest import StageManifest
from tasks.evaluation.ways import protocol_in
from tasks.ledger.ledger import Ledger
from tasks.making.context import Making
from tasks.making.needs import PublishedModel
from tasks.making.stage import Location, Stage
from tasks.stages.noted_model import NotedReads, changes_of_model, note_model


@dataclass(frozen=True, kw_only=True)
class PublishedStage(Stage[NotedReads]):
    """Notes the digest of a published model, whose files are not copied. The label is the model's name."""

    stage = "published"
    group = "evaluate"
    keys = ""

    @classmethod
    def of(cls, config: PipelineConfig) -> Iterator["PublishedStage"]:
        evaluation = config.evaluation
        found: dict[tuple[str, str], list[ContestantSettings]] = {}
        for settings in evaluation.sets.values() if evaluation is not None else ():
            for contestant in settings.contestants or ():
                if contestant.path is not None:
                    found.setdefault((contestant.model, contestant.path), []).append(contestant)
        for (name, path), contestants in found.items():
            yield cls(
                key=None,
                label=name,
                reads=NotedReads(),
                locations=(Location(path),),
                needs=(_need_of(config, name, path, contestants),),
            )

    def make(self, making: Making) -> StageManifest:
        (location,) = self.locations
        return note_model(making, location, f"evaluation: the path of {self.label}")

    @classmethod
    def changes(cls, ledger: Ledger, built: StageManifest, locations: Sequence[str]) -> list[str]:
        (location,) = locations
        return changes_of_model(ledger, built, location, f"the model {built.recipe.label}")


def _need_of(config: PipelineConfig, name: str, path: str, contestants: list[ContestantSettings]) -> PublishedModel:
    protocols = [protocol_in(each.way, each.protocol, is_published=True) for each in contestants]
    agents = [config.agent if protocol is None else protocol.limited(config.agent) for protocol in protocols]
    longest = max(agent.max_tokens for agent in agents)
    in_chat = any(protocol is not None and protocol.chat_template for protocol in protocols)
    return PublishedModel(f"evaluation: the path of {name},", path, longest, None in protocols, in_chat)
