# `make run` trades on the embedded venue, `make test` and `make check` prove it; each sets up all it needs, from the
# locks in requirements/. `make install-EXTRA` adds one of the extras of setup.cfg to the program.
PYTHON ?= python3
BIN := .venv/bin
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs
EXTRAS := tls wallet research cluster docs

.PHONY: run install test compile check docs check-deep format lock lock-upgrade clean

run: install
	@exec $(BIN)/python run.py conf/sim.yaml

install:
	@$(PYTHON) install.py

install-%:
	@$(PYTHON) install.py $*

# Without a C compiler, backtests are interpreted. What starts processes runs by itself, four at a time; on a machine
# that is busy with other things all takes longer, so what a test merely waits for may take six times as long.
test: export MMACTORS_TEST_PATIENCE ?= 6
test: install-dev
	@$(BIN)/python -m mmactors compile || true
	@failed=0; \
	$(BIN)/python -m pytest --ignore=tests/e2e || failed=1; \
	$(BIN)/python -m pytest -n 4 tests/e2e || failed=1; \
	exit $$failed

# machine code of the source as it is, for backtests
compile: install-dev
	@$(BIN)/python -m mmactors compile

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MKDOCS) build --strict --quiet

# the pages in build/docs/, with what is generated of them
docs: install-dev
	@$(BIN)/python docs/tools/configuration.py
	@$(BIN)/python docs/tools/pictures.py
	$(MKDOCS) build --strict

# the property tests twenty-five times over: more than 100,000 cases
check-deep: install-dev
	MMACTORS_DEEP=25 $(BIN)/python -m pytest -m hypothesis --timeout 3000 tests

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# What setup.cfg asks for, with the digests of its files for every platform: what is locked stays as long as setup.cfg
# admits it, and `make lock-upgrade` takes the newest. An extra's lock is what it needs beside the program's; dev.txt is
# all of them and the tools.
UV := build/lock/bin/uv
COMPILE := $(UV) pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes $(UPGRADE) \
	--annotation-style line --custom-compile-command 'make lock' setup.cfg
BESIDE = -c requirements/run.txt $$(sed -n '/sys_platform/!s/^\([^=]*\)==.*/--no-emit-package \1/p' requirements/run.txt)

lock-upgrade: UPGRADE := --upgrade

lock lock-upgrade: $(UV)
	$(COMPILE) -o requirements/run.txt
	$(COMPILE) --all-extras $(BESIDE) -o requirements/dev.txt
	@for extra in $(EXTRAS); do \
		$(COMPILE) --extra $$extra $(BESIDE) -c requirements/dev.txt -o requirements/$$extra.txt || exit; done

$(UV): Makefile
	@$(PYTHON) -m venv --clear build/lock
	@build/lock/bin/python -m pip install --quiet --disable-pip-version-check 'uv ~= 0.13.8'

clean:
	rm -rf .venv var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
