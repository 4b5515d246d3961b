# Two commands do everything on a machine with python3: `make demo` (the product at work) and `make test`.

PYTHON ?= python3
VENV   := .venv
STAMP  := $(VENV)/.installed

# all that the bytes of the one file depend on; a commit changes its buildstamp
INPUTS := $(shell find sdcupgrade build -name __pycache__ -prune -o -print) tools/interpreters.py $(wildcard .git/logs/HEAD)

# the root of trust inside the one file: make pyz ROOT=FILE; without it build/root.json, if there is one
ROOT   :=

.PHONY: pyz gzbits demo test lint types unit interpreters bench clean ALWAYS

demo: $(STAMP)  ## the one file at work on a datacenter in a box: self-update, upgrades, a rollback, and no network
	@$(VENV)/bin/python tools/demo.py

pyz: dist/sdcupgrade  ## the one file; quick when nothing has changed

dist/sdcupgrade: $(STAMP) $(INPUTS) $(ROOT) .scratch/root
	$(VENV)/bin/python build/pyz.py -o $@ $(if $(ROOT),--root '$(ROOT)')

.scratch/root: ALWAYS  # changes when another ROOT is named
	@mkdir -p .scratch
	@echo '$(ROOT)' | cmp -s - $@ || echo '$(ROOT)' > $@

gzbits:  ## the bits of the global zone, as a tarball with its image manifest; needs no package
	@$(PYTHON) build/gzbits.py

test: lint types unit interpreters  ## everything that must hold

lint: $(STAMP)
	$(VENV)/bin/ruff check .

types: $(STAMP)
	$(VENV)/bin/mypy
	$(VENV)/bin/mypy build/*.py build/inside/*.py tools/interpreters.py
	$(VENV)/bin/mypy --python-version 3.10 tools/release

unit: $(STAMP)
	$(VENV)/bin/python tools/coverage_run.py

interpreters: $(STAMP)  ## the in-process tests again, on the oldest and the newest python at hand
	$(VENV)/bin/python tools/interpreters.py

bench:  ## publishes the figures of docs/figures.md; nothing is asserted
	@$(PYTHON) tools/bench/run.py

$(STAMP): setup.cfg
	$(PYTHON) -m venv $(VENV) || { echo "python3 has no venv module: install it (Debian: python3-venv)" >&2; exit 1; }
	mkdir -p .scratch
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check $$($(PYTHON) tools/dev_packages.py)
	touch $@

clean:
	rm -rf $(VENV) .scratch dist
