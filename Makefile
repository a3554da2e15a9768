# The two commands of a fresh machine are `make demo` and `make test`; both make .venv themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
STAMP := $(VENV)/.installed

.PHONY: demo test test-browser test-tutorials test-all site notebooks lint types bench lock clean

demo: $(STAMP)
	$(BIN)/hectares demo demo --overwrite

test: $(STAMP)
	$(BIN)/python -m pytest -n auto -m "not slow and not gpu"

# Skipped where there is no Chromium.
test-browser: $(STAMP)
	$(BIN)/python -m pytest -m browser tests/browser

# Every command of the tutorials, and the site; minutes, so not part of `test`.
test-tutorials: $(STAMP)
	$(BIN)/python -m pytest -n auto tests/docs

# The documentation as pages, in build/site.
site: $(STAMP)
	$(BIN)/python -m mkdocs build --strict

# The notebooks of the tutorials, from their pages.
notebooks: $(STAMP)
	$(BIN)/python docs/tools/notebooks.py

test-all: $(STAMP)
	$(BIN)/python -m pytest -n auto

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell src tests docs benchmarks README.md CONTRIBUTING.md CHANGELOG.md

types: $(STAMP)
	$(BIN)/mypy

bench: $(STAMP)
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/predict.py
	$(BIN)/python benchmarks/colors.py
	$(BIN)/python benchmarks/labels.py
	$(BIN)/python benchmarks/chips.py
	$(BIN)/python benchmarks/augment.py
	$(BIN)/python benchmarks/train.py
	$(BIN)/python benchmarks/area.py
	$(BIN)/python benchmarks/vectorize.py

# Every package is pinned with its hash; the package itself is then put in without looking at dependencies.
$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hectares needs Python 3.11 or later; say which with make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	touch $@

# Needs uv, which a fresh machine does not: only whoever changes dependencies runs this.
lock:
	uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml -o requirements/core.txt --custom-compile-command "make lock"
	uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml --extra train -o requirements/train.txt --custom-compile-command "make lock"
	uv pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml --extra train --extra openvino --extra dask --extra serve --group dev -o requirements/dev.txt --custom-compile-command "make lock"

clean:
	rm -rf $(VENV) demo build dist
