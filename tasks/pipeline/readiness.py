"""What the stages of a config read from outside the root: what is not there is told before anything is started.

A finished stage needs nothing any more: its model may be gone, its endpoint down. What only the jobs of a cluster read
is not looked for, for it may lie where the cluster alone sees it.
"""

import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from retrieval_index.encoder import refuse_long_texts
from schemas.config import PipelineConfig
from schemas.errors import BadInput
from schemas.manifest import StageManifest
from schemas.paths import scheme_of
from schemas.runtime import EndpointRuntime
from tasks.capacity.model_shape import ModelShape
from tasks.dumps.dumps import find_dump
from tasks.ledger import storage
from tasks.ledger.disk import of_trainings, refuse_no_room
from tasks.ledger.ledger import Ledger
from tasks.making import answers, corpus, earlier, leaks, models, ramp, spans, trajectories
from tasks.making.context import Making
from tasks.making.demand import refuse_shortage, shortages_by_figures
from tasks.pipeline import graph
from tasks.pipeline.expectations import parameters_in
from tasks.pipeline.graph import Stage
from tasks.sets.datasets import read_texts

Need = Callable[[PipelineConfig], str | None]
"""Looks for one thing and says what is there; None where the config needs none. Raises BadInput where it lacks."""


def unfinished(config: PipelineConfig, stages: Sequence[Stage]) -> list[Stage]:
    """Those that are yet to be made; raises BadInput as `graph.is_finished` does."""
    return [stage for stage in stages if not graph.is_finished(config, stage)]


def refuse_unready(config: PipelineConfig, stages: Sequence[Stage]) -> None:
    """Raises BadInput, naming all of it, where stages that are yet to be made lack what they read from outside."""
    lacking = [words for is_there, words in found_for(config, stages) if not is_there]
    if lacking:
        raise BadInput("; ".join(lacking))


def found_for(config: PipelineConfig, stages: Sequence[Stage]) -> Iterator[tuple[bool, str]]:
    """What stages that are yet to be made read from outside, each once: whether it is there, and in words."""
    for need in dict.fromkeys(need for stage in stages for need in _NEEDS.get(stage.make, ())):
        try:
            words = need(config)
        except BadInput as error:
            yield False, str(error)
        else:
            if words is not None:
                yield True, words


def _dump(config: PipelineConfig) -> str | None:
    if config.dump_path is None:
        return None
    storage.kind_of(config.dump_path)  # says why a store does not answer
    return f"dump: {find_dump(config.dump_path).path}"


def _file_system(config: PipelineConfig) -> str | None:
    root = config.runtime.root
    if scheme_of(root) is not None:
        raise BadInput(f"runtime.root {root}: the index, and all after it, is made by jobs, which need a file system")
    return None


def _encoder(config: PipelineConfig) -> str | None:
    encoder = config.index.encoder
    if encoder is None:
        return None
    _refuse_without("index.encoder.path", encoder.path, "config.json")
    if not any(path.suffix in _WEIGHTS for path in Path(encoder.path).iterdir()):
        raise BadInput(f"index.encoder.path {encoder.path}: no weights in it")
    refuse_long_texts(encoder)
    return f"encoder: {encoder.path}"


def _spans(config: PipelineConfig) -> str | None:
    settings = config.ramp.spans
    if settings.backend == "llm":
        return _endpoint(config, "runtime.span_endpoint", config.runtime.span_endpoint, "ramp.spans.backend llm")
    assert settings.model is not None, "SpanSettings refuses spacy without it"
    if importlib.util.find_spec("spacy") is None:
        raise BadInput("ramp.spans.backend spacy: spaCy is not installed; pip install spacy, or use links")
    is_installed = settings.model.isidentifier() and importlib.util.find_spec(settings.model) is not None
    if not is_installed and not Path(settings.model).is_dir():
        raise BadInput(f"ramp.spans.model {settings.model}: no such pipeline: install it or name a folder")
    return f"spaCy pipeline: {settings.model}"


def _reference(config: PipelineConfig) -> str | None:
    assert config.ramp.reference is not None, "there is no such stage without it"
    path = config.ramp.reference.path
    _refuse_no_model("ramp.reference.path", path)
    _refuse_without("ramp.reference.path", path, "tokenizer.json")
    return f"reference model: {path}"


def _sets(config: PipelineConfig) -> str | None:
    assert config.ramp.leaks is not None, "there is no such stage without it"
    missing = [path for path in config.ramp.leaks.sets if storage.kind_of(path) is None]
    if missing:
        raise BadInput(f"ramp.leaks.sets: no such file: {', '.join(missing)}")
    for path in config.ramp.leaks.sets:
        if next(iter(read_texts(path)), None) is None:
            raise BadInput(f"ramp.leaks.sets: {path} holds nothing")
    return f"evaluation sets: {len(config.ramp.leaks.sets)}"


def _teacher(config: PipelineConfig) -> str | None:
    if config.teacher is None or config.teacher.kind == "scripted":
        return None
    return _endpoint(config, "runtime.teacher_endpoint", config.runtime.teacher_endpoint, "the multi-agent teacher")


def _tokenizer(config: PipelineConfig) -> str | None:
    path = config.tokenizer.path if config.tokenizer is not None else None
    if path is None:
        return None
    _refuse_without("tokenizer.path", path, "tokenizer.json", "tokenizer_config.json")
    return f"tokenizer: {path}"


def _model(config: PipelineConfig) -> str | None:
    model = config.model
    assert model is not None, "there is no such stage without it"
    if model.path is None:
        _refuse_heads(model.hidden, model.heads, model.key_value_heads or model.heads)
        return None
    if config.runtime.jobs.backend != "local":
        return None
    _refuse_no_model("model.path", model.path)
    return f"model: {model.path}"


def _questions(config: PipelineConfig) -> str | None:
    """Whether questions that are finished suffice; those that are yet to be made are counted then."""
    manifest = Ledger(config.runtime.root, config.snapshot).manifest("questions", config.label("questions"))
    if manifest is not None:
        refuse_shortage(shortages_by_figures(config, manifest.figures))
    return None


def _disk(config: PipelineConfig) -> str | None:
    """One training writes a model, and keeps checkpoints: what is not enough for that is not enough for all."""
    parameters, root = parameters_in(config), config.runtime.root
    if parameters is not None and scheme_of(root) is None:
        needed = of_trainings(parameters, models=1, trainings=1, checkpoints=config.runtime.keep_checkpoints)
        remedy = "free some, name another runtime.root, or lower runtime.keep_checkpoints"
        refuse_no_room(root, needed, f"a training of {parameters:,} parameters", remedy)
    return None


_WEIGHTS = (".safetensors", ".bin")

_NEEDS: dict[Callable[[Making], StageManifest], tuple[Need, ...]] = {
    corpus.make_dump: (_dump,),
    corpus.make_redirects: (_dump,),
    corpus.make_pages: (_dump,),
    corpus.make_index: (_file_system, _encoder),
    spans.make_spans: (_spans,),
    spans.make_reference: (_reference,),
    spans.make_surprisals: (_reference,),
    leaks.make_leaks: (_sets,),
    ramp.make_questions: (_encoder,),
    earlier.make_changes: (_encoder,),
    trajectories.make_taught: (_teacher, _encoder, _questions),
    trajectories.make_student: (_encoder, _questions),
    models.make_tokenizer: (_tokenizer,),
    models.make_untrained: (_model,),
    models.make_base: (_disk,),
    models.make_sft: (_disk,),
    models.make_evolved: (_disk,),
    models.make_dapo: (_encoder, _disk, _questions),
    answers.make_answers: (_encoder, _questions),
}
"""By what makes a stage. All that searches reads the encoder of the index, where that has one."""


def _endpoint(config: PipelineConfig, setting: str, endpoint: EndpointRuntime | None, who: str) -> str:
    """Whether it answers is asked by who needs it, for it may be started meanwhile."""
    if endpoint is None:
        raise BadInput(f"{who} needs {setting}.url (an OpenAI-compatible address)")
    variable = endpoint.key_variable
    if variable is not None and not os.environ.get(variable) and config.runtime.jobs.backend == "local":
        raise BadInput(f"{setting}: the environment variable {variable} holds no key")
    return f"{setting} names {endpoint.url}"


def _refuse_without(setting: str, folder: str, *files: str) -> None:
    """Raises BadInput where a folder holds none of these."""
    if not Path(folder).is_dir():
        raise BadInput(f"{setting} {folder}: no such folder")
    if not any((Path(folder) / file).is_file() for file in files):
        raise BadInput(f"{setting} {folder}: no {' or '.join(files)} in it")


def _refuse_no_model(setting: str, folder: str) -> None:
    _refuse_without(setting, folder, "config.json")
    try:
        ModelShape.read(folder)
    except KeyError as missing:
        raise BadInput(f"{setting} {folder}: its config.json does not tell {missing}: no language model") from None


def _refuse_heads(hidden: int, heads: int, key_value_heads: int) -> None:
    """What rotary positions and shared keys ask of the numbers of heads."""
    if hidden % heads or hidden // heads % 2:
        raise BadInput(f"model.heads {heads}: model.hidden ({hidden}) must be an even number of times as many")
    if heads % key_value_heads:
        raise BadInput(f"model.key_value_heads {key_value_heads}: model.heads ({heads}) must be a multiple of it")
