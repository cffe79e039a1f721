# make figures: set up and draw every figure and table. make test: set up and run the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Instruction sets of the C++ engine: host (this machine's best; the default), all, or e.g. "base;avx2".
ISA ?=
READY := $(VENV)/.ready$(if $(ISA),-$(subst ;,-,$(ISA)))

.PHONY: figures test lint setup clean

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
$(READY): pyproject.toml constraints.txt CMakeLists.txt $(wildcard src/sgpipe/engines/cpu/src/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "sgpipe needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(ISA),SGPIPE_ISAS='$(ISA)') $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,slurm]'
	@rm -f $(VENV)/.ready*
	@touch $(VENV)/.ready $@

clean:
	rm -rf $(VENV) build .snakemake
