# Every target makes .venv first if it is missing or out of date.
# Another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup demo test slow lint wheel clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' Makefile

setup:  ## make .venv with the pinned dependencies
	@command -v $(PYTHON) >/dev/null || { echo "setup: no $(PYTHON)" >&2; exit 1; }
	@$(PYTHON) .ci/setup.py

demo: setup  ## train on synthetic faces and write a report, in minutes
	$(BIN)/mer run ststnet_demo

test: setup  ## run the tests, but the slow ones
	$(BIN)/python -m pytest -n auto

slow: setup  ## run the slow tests
	$(BIN)/python -m pytest -n auto -m slow

lint: setup  ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

wheel: setup  ## build the wheel into dist/ and try it outside the checkout
	.ci/wheel

clean:  ## remove .venv, builds and caches; results stay
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
