# `make run` trades on the embedded venue, `make test` and `make check` prove it; each sets up all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test check check-deep format clean install

# also makes machine code of the source as it is, for backtests; without a C compiler they are interpreted
install: $(STAMP)
	@$(BIN)/python -m mmactors compile || true

$(STAMP): setup.cfg pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[research,dev]'
	@touch $@

run: $(STAMP)
	@exec $(BIN)/python run.py conf/sim.yaml

test: install
	$(BIN)/python -m pytest

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# the property tests twenty-five times over: more than 100,000 cases
check-deep: $(STAMP)
	MMACTORS_DEEP=25 $(BIN)/python -m pytest -m hypothesis --timeout 3000 tests

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
