# make figures: set up and draw every figure and table. make test: set up and run the tests. make test-long: the few
# that take longest. make test-machines: the numerical ones as other machines compute. make faults: kills at random
# moments. make docs: the site. make explorer: a page with every network and every claim.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Instruction sets of the C++ engine: host (this machine's best; the default), all, or e.g. "base;avx2".
ISA ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check
UV := $(BIN)/python src/sgpipe/base/uv_as_pip.py $(BIN)/uv --quiet
READY := $(VENV)/.ready$(if $(ISA),-$(subst ;,-,$(ISA)))

# The numerical tests, and other x86 machines that test-machines has them computed as: what torch, numpy, their matrix
# libraries and the C++ engine are told to use (numpy has two sets of names, by version).
NUMERICS := $(addprefix tests/,spec/test_surrogates.py spec/test_numerics.py data/test_task_numerics.py \
  weights/test_distributions.py initial_state/test_conditions.py \
  model/test_objectives.py model/test_network.py model/test_gradients.py model/test_delta_networks.py \
  engines/test_optimisers.py engines/test_ties.py engines/test_engines.py engines/test_delta_engine.py) \
  -k 'not shd and not trains_packs'  # which take long
NO_AVX512 := X86_V4 AVX512_ICL AVX512_SPR AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL
OF_2008 := ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE OPENBLAS_CORETYPE=Nehalem SGPIPE_ISA=base \
  NPY_DISABLE_CPU_FEATURES='X86_V3 AVX2 FMA3 $(NO_AVX512)'
OF_2013 := ATEN_CPU_CAPABILITY=avx2 MKL_CBWR=AVX2 OPENBLAS_CORETYPE=Haswell SGPIPE_ISA=avx2 \
  NPY_DISABLE_CPU_FEATURES='$(NO_AVX512)'

# Bytecode is written as modules are imported for the first time: nothing else need be compiled, and nothing twice.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: figures test test-long test-commands test-machines test-slurm faults lint setup setup-docs lock clean try-newest words \
  pictures docs tutorial explorer

figures: $(READY)
	$(BIN)/snakemake --cores all all_figures all_tables

test: $(READY)
	$(BIN)/python -m pytest -m 'not long and not slurm'

test-long: $(READY)
	$(BIN)/python -m pytest -m 'long and not slurm and not commands'

# Every command of README and documentation, some five minutes.
test-commands: $(READY)
	$(BIN)/python -m pytest -m commands

# Slurm's packages must be there (slurm-wlm and munge in Debian), and nothing else may be set up with them.
test-slurm: $(READY)
	$(BIN)/python -m pytest -m slurm -n 0

# An hour or so; KILLS at whole Snakemake runs, TRAINERS at single trainings.
KILLS ?= 50
TRAINERS ?= 200
faults: $(READY)
	$(BIN)/python -m tests.faults --kills $(KILLS) --trainers $(TRAINERS)

test-machines:
	@$(MAKE) --no-print-directory setup ISA=all
	env $(OF_2008) $(BIN)/python -m pytest $(NUMERICS)
	@if grep -qs avx512f /proc/cpuinfo; then env $(OF_2013) $(BIN)/python -m pytest $(NUMERICS); \
	else echo "without AVX-512 this machine computes as one of 2013 does: make test was that"; fi

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/sgpipe check
	$(BIN)/sgpipe knobs --check
	$(BIN)/python -m website.words --check

# The numbers in README and documentation that come from tables, written anew; and the pictures of the README.
words: $(READY)
	$(BIN)/python -m website.words

pictures: $(READY)
	$(BIN)/python -m website.picture

# The site, in build/site. Figures that no committed table has are there if `make figures` has been run. Two packages
# print advertisements for their successors.
docs: $(READY)-docs
	PYTHONPATH=. NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/python -m mkdocs build --quiet

tutorial: $(READY)-docs
	$(BIN)/python -m website.tutorial

# Of the networks that `make figures` has trained; what is missing is trained first.
explorer: $(READY)-docs
	$(BIN)/snakemake --cores all explorer

# What the site, the tutorial, the explorer and the tests of the pages need besides.
setup-docs: $(READY)-docs

$(READY)-docs: $(READY)
	$(UV) pip install --python $(BIN)/python --constraint constraints.txt --requirement pyproject.toml \
	  --extra docs --extra explore --extra browser || \
	  $(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable '.[docs,explore,browser]'
	@touch $@

setup: $(READY)

# Installed in place, so that editing a figure's module redraws the figure. uv installs in seconds what takes pip a minute;
# where it does not run, or does not find something, pip does it, as where one index has a wheel of soundfile with its C
# library and another one without.
$(READY): pyproject.toml constraints.in constraints.txt CMakeLists.txt \
  $(wildcard src/sgpipe/engines/cpu/src/* src/sgpipe/data/ear/src/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "sgpipe needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) src/sgpipe/base/interpreter.py '$(VENV)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	-$(PIP) install --quiet --no-compile --constraint constraints.txt uv
	-$(UV) pip install --python $(BIN)/python --constraint constraints.txt --requirement constraints.in \
	  --requirement pyproject.toml --extra dev --extra slurm
	$(PIP) install --quiet --no-compile --constraint constraints.txt --requirement constraints.in
	$(if $(ISA),SGPIPE_ISAS='$(ISA)') $(PIP) install --quiet --no-compile --constraint constraints.txt \
	  --no-build-isolation --editable '.[dev,slurm]'
	@$(BIN)/python -c 'import soundfile' 2>/dev/null || \
	  $(PIP) install --quiet --no-compile --force-reinstall --no-deps --constraint constraints.txt soundfile
	@rm -f $(VENV)/.ready*
	@touch $(VENV)/.ready $@

# The newest versions of everything but torch, for Python 3.11 and later, as constraints.txt.
LOCK := constraints.txt
lock: $(READY)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-annotate --no-emit-index-url \
	  --no-emit-find-links --custom-compile-command "make lock" --extra dev --extra slurm \
	  --extra docs --extra explore --extra browser --output-file $(LOCK) pyproject.toml constraints.in

clean:
	rm -rf $(VENV) build .snakemake

# Whether sgpipe works with the newest versions, too, and which of them are not those of constraints.txt.
try-newest: $(READY)
	VENV='$(VENV)' .ci/newest
