# make figures: set up and draw every figure and table. make test: set up and run the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Instruction sets of the C++ engine: host (this machine's best; the default), all, or e.g. "base;avx2".
ISA ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check
READY := $(VENV)/.ready$(if $(ISA),-$(subst ;,-,$(ISA)))

.PHONY: figures test lint setup lock clean

figures: $(READY)
	$(BIN)/snakemake --cores all all_figures all_tables

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/sgpipe check
	$(BIN)/sgpipe knobs --check

setup: $(READY)

# Installed in place, so that editing a figure's module redraws the figure.
$(READY): pyproject.toml constraints.in constraints.txt CMakeLists.txt $(wildcard src/sgpipe/engines/cpu/src/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "sgpipe needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) src/sgpipe/base/interpreter.py '$(VENV)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-compile --constraint constraints.txt --requirement constraints.in
	$(if $(ISA),SGPIPE_ISAS='$(ISA)') $(PIP) install --quiet --no-compile --constraint constraints.txt \
	  --no-build-isolation --editable '.[dev,slurm]'
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true  # by all cores; some packages have files of other Pythons
	@rm -f $(VENV)/.ready*
	@touch $(VENV)/.ready $@

# The newest versions of everything but torch, for Python 3.11 and later, as constraints.txt.
lock: $(READY)
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-annotate --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command "make lock" --extra dev --extra slurm \
	  --output-file constraints.txt pyproject.toml constraints.in

clean:
	rm -rf $(VENV) build .snakemake
