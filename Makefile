# make demo: the default study, end to end. make setup: only the environment. make test: every test, in a quarter of an
# hour; make test-unit: without real studies, in three minutes.
PYTHON ?= python3
CORES ?= all
STAMP := .venv/.installed
# In the order of collection, so that the long files of tests/pipeline come first and none is left alone at the end.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: setup demo test test-unit lint clean
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

# Real SLURM alone: its tests wait for clocks.
test: setup
	.venv/bin/python -m pytest -m "not cluster" $(PARALLEL)
	.venv/bin/python -m pytest tests/cluster

test-unit: setup
	.venv/bin/python -m pytest tests/unit $(PARALLEL)

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/snakefmt --check Snakefile workflow
	.venv/bin/snakemake --lint

clean:
	rm -rf .venv
