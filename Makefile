# One environment in .venv, made once; ACCELERATOR=cuda takes vLLM and torch for NVIDIA GPUs.
ACCELERATOR ?= cpu
CONFIG ?= deploy/configs/sample.yaml
VENV := .venv
READY := $(VENV)/.ready-$(ACCELERATOR)

.PHONY: run test chaos setup lint bench clean

run: $(READY)
	$(VENV)/bin/masksearch run $(CONFIG)

test: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/python -m pytest --numprocesses 2 --durations 20 -m "not chaos"

# SIGKILL in every stage of a small pipeline, to ranks and jobs on a Ray cluster; and on again.
chaos: $(READY)
	$(VENV)/bin/python -m pytest --durations 10 -m chaos

lint: $(READY)
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench: $(READY)
	for file in tests/bench/bench_*.py; do $(VENV)/bin/python $$file; done

setup: $(READY)

$(READY): pyproject.toml deploy/constraints-$(ACCELERATOR).txt deploy/setup.sh
	sh deploy/setup.sh $(ACCELERATOR) $(VENV)
	touch $@

clean:
	rm -rf $(VENV)
