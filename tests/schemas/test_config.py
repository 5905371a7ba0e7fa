import pytest

from schemas.config import read_config
from schemas.errors import BadInput

MINIMAL = """
name: small
snapshot: enwiki-20261101
dump: somewhere.xml.bz2
runtime: {root: runs/small}
"""

TRAINED = """
teacher: {}
tokenizer: {}
model: {}
training:
- {name: first, kind: sft, curriculum: [], optimiser: {lr: 0.1}}
"""


DAPO = """
- name: rl
  kind: dapo
  curriculum: [{max_masks: 1, steps: 1}]
  optimiser: {lr: 0.1}
"""
LANGUAGE = "training: [{name: base, kind: language_modelling, steps: 1, optimiser: {lr: 0.1}}]"


def written(tmp_path, text, name="config.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_a_config_may_extend_another_and_changes_only_what_it_names(tmp_path):
    written(tmp_path, MINIMAL + "ramp: {seed: 7, min_words: 9}\n", "parent.yaml")
    child = read_config(written(tmp_path, "extends: parent.yaml\nramp: {seed: 8}\n"))
    assert (child.ramp.seed, child.ramp.min_words) == (8, 9)


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("rampp: {}", "rampp: unknown field"),
        ("ramp: {sed: 3}", "ramp.sed: unknown field"),
        (
            "training: [{name: base, kind: language_modelling, steps: 1, optimiser: {lrr: 0.1}}]",
            "training.base.optimiser.lrr: unknown field",
        ),
        ("ramp: {max_masked_share: 1.5}", "ramp.max_masked_share: Input should be less than or equal to 1"),
        ("world: {families: {train: 1}}", "give either world"),
        (TRAINED.replace("teacher: {}", ""), "training.first needs the section teacher"),
        (LANGUAGE, "training needs the section tokenizer"),
        (TRAINED + "- {name: first, kind: sft, curriculum: [], optimiser: {lr: 0.1}}", "two steps named first"),
        (TRAINED + DAPO + "  from: second", "training.rl: from second names no step before it: choose one of start, f"),
        (TRAINED + DAPO + "  share: [0.5, 0.5]", "share [0.5, 0.5] holds no question"),
        (
            TRAINED + DAPO.replace("max_masks", "max_hops"),
            "training.rl: a phase has max_hops, but the questions of ramp have masks: give max_masks",
        ),
        (
            TRAINED.replace("kind: sft", "kind: ppo"),
            "training.first: there is no kind 'ppo': choose one of language_modelling, sft, self",
        ),
        (TRAINED.replace("name: first", "name: start"), "start names the model before all steps"),
        ("model: {}", "model needs the section tokenizer"),
        ("snapshot: enwiki-november", "wiki-YYYYMMDD"),
        (
            "ramp: {splits: held_out}\n"
            + TRAINED
            + "- {name: own, kind: self_evolution, sft: {curriculum: [], optimiser: {lr: 0.1}}}",
            "raise ramp.rl_share above 0",
        ),
        (
            TRAINED + DAPO + "  engineering: {dtype: bf16}\n  parity_tolerance: 0.1",
            "parity_tolerance would not be read",
        ),
        (TRAINED + DAPO + "  parity_tolerance_bf16: 0.1", "parity_tolerance_bf16 would not be read"),
        ("teacher: {rollouts: 2}", "teacher.rollouts: Input should be 1"),
        ("teacher: {model: m}", "teacher.model: unknown field"),
        ("teacher: {kind: nobody}", "teacher: there is no kind 'nobody': choose one of scripted, multi_agent"),
        (
            "teacher: {kind: [scripted]}",
            "teacher: kind ['scripted'] is not a name: choose one of",
        ),
        ("teacher: scripted", "teacher: 'scripted' is not a mapping with a kind: choose one of scripted, multi_agent"),
        ("teacher: {judge: {kind: me}}", "teacher.judge: there is no kind 'me': choose one of rule"),
        (
            TRAINED + DAPO + "  reward: {kind: f2}",
            "training.rl.reward: there is no kind 'f2': choose one of recall, f1, exact",
        ),
        (
            TRAINED + DAPO + "  reward: {answer: -1}",
            "training.rl.reward.answer: Input should be greater than or equal to 0",
        ),
        (TRAINED + DAPO + "  steps: 1", "training.rl.steps: unknown field"),
        ("ramp: {leaks: {sets: [3]}}", "ramp.leaks.sets.0: 3 is not a mapping with a kind: choose one of published"),
        ("teacher: {seed: 2}", "teacher: seed would not be read: the scripted teacher draws nothing but questions"),
        ("teacher: {questions: 0}", "teacher.questions: Input should be greater than 0"),
        ("ramp: {splits: held_out, perplexity_share: 0.2}", "perplexity_share would not be read: strategy random"),
        ("ramp: {rl_share: 0.2}", "rl_share would not be read: splits table"),
        ("ramp: {spans: {kind: spacy, model: m, seed: 2}}", "ramp.spans.seed: unknown field"),
        ("ramp: {spans: {kind: spacy}}", "ramp.spans.model: Field required"),
        ("ramp: {spans: {kind: llm, backend: llm}}", "ramp.spans: kind and backend are two names of one setting"),
        ("ramp: {spans: {part_rows: 10}}", "ramp.spans.part_rows: unknown field"),
        ("ramp: {masks: []}", "ramp.masks: name at least one number of masks"),
        ("labels: {pages: ../pages}", "labels: '../pages' cannot be a label"),
    ],
)
def test_a_wrong_field_is_named_in_one_line_with_its_place(tmp_path, added, said):
    text = MINIMAL if "snapshot" not in added else MINIMAL.replace("snapshot: enwiki-20261101", "")
    with pytest.raises(BadInput) as caught:
        read_config(written(tmp_path, text + added))
    assert said in str(caught.value)
    assert "config.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_that_are_not_read_may_be_named_at_their_defaults(tmp_path):
    text = "teacher: {rollouts: 1, seed: 1}\nramp: {rl_share: 0.0, perplexity_share: 0.5}\n"
    assert read_config(written(tmp_path, MINIMAL + text)).ramp == read_config(written(tmp_path, MINIMAL)).ramp


@pytest.mark.parametrize("text", ["- a list", "a: [unclosed", "\x00"])
def test_a_file_that_is_not_a_config_is_refused(tmp_path, text):
    with pytest.raises(BadInput, match="config"):
        read_config(written(tmp_path, text))


def test_a_missing_config_is_refused():
    with pytest.raises(BadInput, match="no such config file"):
        read_config("nowhere.yaml")


def test_engines_that_sleep_while_ranks_train_have_no_staleness(tmp_path):
    shared = MINIMAL.replace("{root: runs/small}", "{root: runs/small, placement: {layout: shared}}")
    text = shared + "ramp: {splits: held_out, rl_share: 0.1}\n" + TRAINED + DAPO
    assert read_config(written(tmp_path, text)).runtime.placement.layout == "shared"
    with pytest.raises(BadInput, match=r"staleness: set 0, because engines in .* shared sleep while ranks train"):
        read_config(written(tmp_path, text + "  staleness: 1\n"))


def test_a_layout_by_its_former_name_is_refused_with_the_new_one(tmp_path):
    former = MINIMAL.replace("{root: runs/small}", "{root: runs/small, placement: {layout: split}}")
    with pytest.raises(BadInput, match=r"runtime\.placement\.layout: split is named distributed now$"):
        read_config(written(tmp_path, former))


STEP = {"curriculum": [], "optimiser": {"lr": 0.1}}


def evaluated(split: str) -> dict:
    return {"evaluation": {"sets": {"ramp": {"split": split}}}}


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        (
            {"teacher": {"splits": ["train", "test"]}},
            "evaluation.sets.ramp.split is test, and so is teacher.splits: a model cannot be evaluated on its training",
        ),
        (
            {"training": [{"name": "own", "kind": "rejection_sampling", "split": "test", "sft": STEP}]},
            "evaluation.sets.ramp.split is test, and so is training.own",
        ),
        (
            {"teacher": {"splits": ["rl"]}, **evaluated("train")},
            "evaluation.sets.ramp.split is train, and so is the training text of tokenizer.vocabulary",
        ),
        (
            {"ramp": {"splits": "held_out"}, **evaluated("dev")},
            "evaluation.sets.ramp.split needs the split dev, which ramp.splits held_out does not make",
        ),
        (
            {"ramp": {"splits": "held_out", "held_out_share": 0.0}},
            "evaluation.sets.ramp.split needs the split test, which has no pages: raise ramp.held_out_share above 0",
        ),
        (
            {"ramp": {"splits": "held_out"}, "teacher": {"splits": ["rl"]}},
            "teacher.splits needs the split rl, which has no pages: raise ramp.rl_share above 0",
        ),
        (
            {"dump": None, "world": {"families": {"train": 1, "rl": 1}}},
            "evaluation.sets.ramp.split needs the split test, which has no families: give world.families a number for",
        ),
    ],
)
def test_training_splits_are_not_evaluated_and_used_splits_exist(tmp_path, sections, said):
    path = written(tmp_path, MINIMAL + TRAINED + "evaluation: {}\n")
    assert read_config(path).evaluation is not None
    with pytest.raises(BadInput) as caught:
        read_config(path, sections)
    assert said in str(caught.value)


def test_evaluation_on_the_split_that_dapo_learns_from_is_refused(tmp_path):
    path = written(tmp_path, MINIMAL + TRAINED + DAPO + "evaluation: {sets: {ramp: {split: rl}}}\n")
    with pytest.raises(BadInput, match=r"evaluation\.sets\.ramp\.split is rl, and so is training\.rl"):
        read_config(path)
    assert read_config(path, {"training": {"rl": None}, **evaluated("dev")}).evaluation is not None


@pytest.mark.parametrize(
    ("contestant", "said"),
    [
        ("{model: third}", "evaluation.sets.ramp.contestants names the model 'third': choose one of start, first"),
        ("{model: first, way: direct, retrieval: live}", "way direct searches for nothing: remove retrieval: live"),
        ("{model: first, way: rag, retrieval: none}", "way rag has a retrieval: set way: direct"),
        ("{model: first, way: oracle}", "contestants.0.way: Input should be 'agent', 'prompt', 'rag' or 'direct'"),
    ],
)
def test_a_wrong_contestant_is_one_line(tmp_path, contestant, said):
    given = f"evaluation: {{sets: {{ramp: {{contestants: [{contestant}]}}}}}}\n"
    with pytest.raises(BadInput) as caught:
        read_config(written(tmp_path, MINIMAL + TRAINED + given))
    assert said in str(caught.value)


def test_a_config_changes_and_removes_steps_of_its_parent_by_their_names(tmp_path):
    written(tmp_path, MINIMAL + TRAINED + DAPO, "parent.yaml")
    changed = "training: {first: {seed: 9}, rl: null}\n"
    (first,) = read_config(written(tmp_path, "extends: parent.yaml\n" + changed)).training
    assert (first.name, first.seed, first.optimiser.lr) == ("first", 9, 0.1)
    with pytest.raises(
        BadInput, match=r"training\.third: nothing has that name: choose one of first, rl, or give a new one a kind"
    ):
        read_config(written(tmp_path, "extends: parent.yaml\ntraining: {third: {seed: 9}}\n"))
    added = "training: {second: {kind: sft, curriculum: [], optimiser: {lr: 0.1}}}\n"
    names = [step.name for step in read_config(written(tmp_path, "extends: parent.yaml\n" + added)).training]
    assert names == ["first", "rl", "second"]
    with pytest.raises(BadInput, match=r"training\.rl: give a mapping of the settings that change"):
        read_config(written(tmp_path, "extends: parent.yaml\ntraining: {rl: 3}\n"))


def test_null_removes_a_set(tmp_path):
    sets = "sets: {a: {path: x, split: test}, b: {path: y, split: test}}\n"
    written(tmp_path, MINIMAL + TRAINED + sets + "evaluation: {sets: {a: {}, b: {}}}\n", "parent.yaml")
    child = "extends: parent.yaml\nsets: {a: null}\nevaluation: {sets: {a: null}}\n"
    config = read_config(written(tmp_path, child))
    assert list(config.sets) == ["b"]
    assert config.evaluation is not None and list(config.evaluation.sets) == ["b"]
