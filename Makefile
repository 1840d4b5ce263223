PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.demo-installed
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast lint types audit bench ablation starter clean distclean

help:  ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

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

test: $(STAMP)  ## Install into .venv and run all tests: eighteen minutes on two cores.
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

test-fast: $(STAMP)  ## The tests without builds, trainings and browsers: a minute and a half.
	$(BIN)/python -m pytest -m "not slow" --numprocesses $(WORKERS)

lint: $(STAMP)  ## Ruff: rules and format.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)  ## Mypy on the package, and on a program that uses it.
	mkdir -p .links/unprompt
	for path in unprompt/*.py unprompt/py.typed; do ln -sfn ../../$$path .links/unprompt/; done
	for folder in index build inversion ui; do ln -sfn ../../$$folder .links/unprompt/$$folder; done
	MYPYPATH=.links $(BIN)/mypy -p unprompt
	MYPYPATH=.links $(BIN)/mypy --strict --follow-imports silent .ci/public_types.py

audit: $(STAMP)  ## Known vulnerabilities of the installed packages; skipped where offline.
	$(BIN)/python .ci/audit.py

ifdef NAME
bench: $(STAMP)
	$(BIN)/python benchmarks/$(NAME).py $(ARGS)
else
bench:  ## List the benchmarks; run one with NAME=search and ARGS="--rows 100000".
	@for file in $$(grep -l __main__ benchmarks/*.py); do \
		printf '%-10s %s\n' $$(basename $$file .py) "$$(sed -n '1s/"""//gp;1q' $$file)"; done
	@echo 'Run one: make bench NAME=search ARGS="--rows 100000"'
endif

ablation: $(STAMP)  ## Train every variant from three seeds (hours) and write docs/ablation.*
	$(BIN)/python benchmarks/ablation.py

# PAIRS is a folder of real pictures with prompts, in folders by kind; without it only `scenes` is made.
starter: $(STAMP)  ## Make the bundle that ships with the package again; PAIRS=folder for its real world.
	$(BIN)/unprompt build starter --stage corpus --stage images
	OMP_NUM_THREADS=1 $(BIN)/torchrun --nproc_per_node 2 -m unprompt train head starter
	$(BIN)/unprompt build starter
ifdef PAIRS
	$(BIN)/unprompt make bank -o runs/bank.parquet --count 20500 --like $(PAIRS)/generated.parquet
	$(BIN)/unprompt index prompts runs/bank.parquet -o runs/bank --factory SQ6 --phrases 2000
	$(BIN)/unprompt make kinds -o runs/kinds --count 60 --seed 11
	$(BIN)/unprompt make kinds -o runs/other-kinds --count 40 --seed 21
	$(BIN)/unprompt train pairs $(PAIRS) --bank runs/bank --config real \
		--extra runs/starter/images --extra runs/kinds -o runs/real
	$(BIN)/unprompt join -o runs/joined/starter --world scenes=runs/starter/bundle \
		--world real=runs/real --pairs scenes=runs/starter/images --pairs real=$(PAIRS) \
		--kinds runs/other-kinds --limit 7000 --cache runs/join-keys
	find inversion/starter -mindepth 1 ! -name __init__.py -delete
	cp -r runs/joined/starter/. inversion/starter/
else
	@echo 'no PAIRS=folder of real pictures: the world of real pictures is not made, and the starter stays'
endif

clean:  ## Remove what builds and checks leave; .venv and runs/ stay.
	rm -rf .setuptools .links .mypy_cache .pytest_cache .ruff_cache .hypothesis dist *.egg-info

distclean: clean  ## Remove .venv as well.
	rm -rf $(VENV)
