PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.demo-installed

.DEFAULT_GOAL := help
.PHONY: help demo test lint types bench ablation starter clean

help:  ## Show this list.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[cpu,build,scenes,render,train,ray,hub,llm,demo,dev]'
	touch $(STAMP) $(DEMO_STAMP)

# no torch, and modules are compiled as they are imported: a minute instead of three
$(DEMO_STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile -e '.[cpu,demo,scenes]'
	touch $(DEMO_STAMP)

demo: $(DEMO_STAMP)  ## Install what the demo needs into .venv and open it on the bundled starter.
	$(BIN)/unprompt demo

test: $(STAMP)  ## Install into .venv and run the tests.
	$(BIN)/python -m pytest

lint: $(STAMP)  ## Ruff: rules and format.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## Mypy on the package, and on a program that uses it.
	mkdir -p .links/unprompt
	for path in unprompt/*.py unprompt/py.typed; do ln -sfn ../../$$path .links/unprompt/; done
	for folder in index build inversion ui; do ln -sfn ../../$$folder .links/unprompt/$$folder; done
	MYPYPATH=.links $(BIN)/mypy -p unprompt
	MYPYPATH=.links $(BIN)/mypy --strict --follow-imports silent .ci/public_types.py

bench: $(STAMP)  ## Measure this machine; one JSON line a benchmark.
	for file in $(filter-out benchmarks/ablation.py benchmarks/made_vectors.py benchmarks/flops.py benchmarks/retrieval.py benchmarks/scaling.py benchmarks/filling.py benchmarks/peers.py benchmarks/rate_plot.py,$(wildcard benchmarks/*.py)); do $(BIN)/python $$file; done

ablation: $(STAMP)  ## Train every variant from three seeds (hours) and write docs/ablation.*
	$(BIN)/python benchmarks/ablation.py

starter: $(STAMP)  ## Make the bundle that ships with the package again, from its fixed seed.
	$(BIN)/unprompt build starter --stage corpus --stage images
	OMP_NUM_THREADS=1 $(BIN)/torchrun --nproc_per_node 2 -m unprompt.ui.cli.main train head starter
	$(BIN)/unprompt build starter
	find inversion/starter -mindepth 1 ! -name __init__.py -delete
	cp -r runs/starter/bundle/. inversion/starter/

clean:  ## Remove what the other targets made.
	rm -rf $(VENV) .setuptools .links .mypy_cache .pytest_cache .ruff_cache dist *.egg-info
