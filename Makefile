# One environment in .venv, made once; ACCELERATOR=cuda installs vLLM and torch for NVIDIA GPUs.
VENV := .venv
# This file holds the accelerator that the environment was made for.
READY := $(VENV)/.ready
MADE_FOR := $(shell cat $(READY) 2>/dev/null)
ACCELERATOR ?= $(or $(MADE_FOR),cpu)
CONFIG ?= deploy/configs/sample.yaml
# Inputs of `make bench`: a multistream bzip2 dump, and the root of a run with a finished DAPO.
BENCH_DUMP ?= ../shared/data/wiki/enwiki-multistream-derived/enwiki-sample-pages-articles-multistream.xml.bz2
BENCH_ROOT ?= runs/sample

ifneq ($(MAKECMDGOALS),clean)
ifneq ($(ACCELERATOR),$(or $(MADE_FOR),$(ACCELERATOR)))
$(error $(VENV) was made for $(MADE_FOR), not for $(ACCELERATOR): run make clean first)
endif
endif

.PHONY: run experiments test chaos setup lint docs bench clean

run: $(READY)
	$(VENV)/bin/masksearch run $(CONFIG)

# The claims of the paper on the sample, with three seeds: some hours on two cores. It resumes.
experiments: $(READY)
	$(VENV)/bin/masksearch experiments deploy/configs/experiments/experiments.yaml

test: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/python -m pytest --numprocesses 2 --durations 20 -m "not chaos"

# Kills every stage of a small pipeline, and ranks and jobs on a Ray cluster, by SIGKILL; all of it must resume.
chaos: $(READY)
	$(VENV)/bin/python -m pytest --durations 10 -m chaos

lint: $(READY)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# Into site/, which git ignores. A warning (a broken link, a page that the navigation lacks) fails the build.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

# bench_gpu_training is left out, because it needs a GPU.
bench: $(READY)
	$(VENV)/bin/python -m tests.bench.bench_corpus $(BENCH_DUMP)
	$(VENV)/bin/python -m tests.bench.bench_dapo $(BENCH_ROOT)
	$(VENV)/bin/python -m tests.bench.bench_retrieval
	$(VENV)/bin/python -m tests.bench.bench_rollouts
	$(VENV)/bin/python -m tests.bench.bench_scores
	$(VENV)/bin/python -m tests.bench.bench_training
	$(VENV)/bin/python -m tests.bench.bench_updates

setup: $(READY)

$(READY): pyproject.toml deploy/constraints-$(ACCELERATOR).txt deploy/setup.sh
	sh deploy/setup.sh $(ACCELERATOR) $(VENV)
	echo $(ACCELERATOR) > $@

clean:
	rm -rf $(VENV)
