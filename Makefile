# make demo: the default study, end to end. make test: every test. make setup: only the environment.
PYTHON ?= python3
CORES ?= all
STAMP := .venv/.installed

.PHONY: setup demo test lint clean
setup: $(STAMP)

# uv comes into the environment first, so that neither it nor anything else need be on the machine.
$(STAMP): requirements/lock.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "steadyflow needs Python >= 3.11; name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || \
	  { echo "python's venv module is missing: on Debian, apt install python3-venv" >&2; exit 1; }
	.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements/uv.txt
	.venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python --require-hashes --requirement requirements/lock.txt
	.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	.venv/bin/snakemake --profile profiles/laptop --cores $(CORES) all
	@.venv/bin/python workflow/scripts/print_summary.py

test: setup
	.venv/bin/python -m pytest

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/snakefmt --check Snakefile workflow
	.venv/bin/snakemake --lint

clean:
	rm -rf .venv
