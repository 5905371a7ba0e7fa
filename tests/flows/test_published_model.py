"""A published model beside one of the pipeline's own, as a user compares them: from a config to one table."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.published_model import save_published_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
CONFIG = """
extends: {parent}
teacher: null
training: []
evaluation:
  sets:
    ramp:
      per_level: 2
      contestants:
        - {{model: start}}
        - {{model: start, way: prompt}}
        - {{model: pub, path: {model}, protocol: deploy/protocols/four-tags.yaml}}
        - {{model: pub, path: {model}, way: rag, protocol: deploy/protocols/four-tags.yaml}}
runtime: {{root: {root}}}
"""


def masksearch(*words: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).parent / "masksearch", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_published_model_and_one_of_the_config_are_in_one_table(tmp_path: Path) -> None:
    model, config, root = save_published_model(tmp_path / "model"), tmp_path / "config.yaml", tmp_path / "root"
    config.write_text(CONFIG.format(parent=ROOT / "tests" / "chaos" / "tiny.yaml", model=model, root=root))
    planned = masksearch("plan", str(config))
    assert planned.returncode == 0 and "published/pub" in planned.stdout, planned.stdout + planned.stderr

    run = masksearch("run", str(config))
    assert run.returncode == 0, run.stdout + run.stderr
    for row in ("untrained", "untrained, by prompt", "pub, four-tags", "pub, one search, four-tags"):
        assert f"\n{row}  " in run.stdout, run.stdout
    scores: list[dict[str, Any]] = json.loads((root / "report.json").read_text())["scores"]
    answered = {
        (score["model"], score["way"], score.get("protocol")): score["mean"]
        for score in scores
        if (score["metric"], score["decoding"], score["level"]) == ("answered", "greedy", 0)
    }
    assert answered.keys() == {
        *(("untrained", "agent", None), ("untrained", "prompt", "explained")),
        *(("pub", "agent", "four-tags"), ("pub", "rag", "four-tags")),
    }
    assert answered["pub", "agent", "four-tags"] == answered["pub", "rag", "four-tags"] == 1.0
    assert len(list(root.glob("*/jobs/evaluation-*/result.json"))) == 2, "each tokenizer has an engine of its own"

    answers = root / "smallworld-20260101" / "answers"
    paths = [str(answers / "ramp.pub.four-tags"), str(answers / "ramp.pub.rag.four-tags")]
    assert masksearch("compare", *paths).returncode == 0
    across = masksearch("compare", paths[0], str(answers / "ramp.untrained.prompt"))
    assert across.returncode == 2
    assert "agent.hits is 3 for ramp.pub.four-tags and 2 for ramp.untrained.prompt" in across.stderr
    again = masksearch("plan", str(config))
    assert "skipped" in again.stdout and "│ built" not in again.stdout, again.stdout
