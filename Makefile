# The commands of spritedocs: `make` lists them. GNU make 3.81 or newer, so that macOS's own will do.

PYTHON ?= python3
ADDRESS ?= 127.0.0.1:8000
EXAMPLES ?=
RECORD ?=
LOCK :=
export ADDRESS

VENV := .venv
BIN := $(VENV)/bin
# The stamp is written last, so that a failed or interrupted installation leaves none. It holds the name
# of this folder: an environment that was copied here would run the code of the folder it came from.
STAMP := $(VENV)/.installed
PEERS := $(VENV)/.peers
STAMPED := $(shell test -x $(BIN)/python && cat $(STAMP) 2>/dev/null)

# Quiets the banner about MkDocs 2 and Material's successor; pyproject.toml asks for mkdocs<2.
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help install serve site record test test-all test-publish lighthouse lint clean FORCE

help:
	@echo "make serve         read the guide at $(ADDRESS), with live reload"
	@echo "make test          run the tests"
	@echo "make record        measure the examples here, beside ours; EXAMPLES=\"06_optional_num_workers\" names some"
	@echo "make site          build the site into site/, strictly"
	@echo "make test-all      run every example under every start method, train with frameworks, try random inputs"
	@echo "make test-publish  run the steps of the publishing workflow in a fresh clone: minutes"
	@echo "make lighthouse    judge every page with Lighthouse, by npm: minutes; RECORD=--record keeps the result"
	@echo "make lint          check style, types and workflows"
	@echo "make install       only set up $(VENV), which each of these does first; LOCK=requirements.lock checks hashes"
	@echo "make clean         remove what was built; $(VENV) and your recordings stay"

install: $(STAMP)
	@echo "$(VENV) is ready."

# Without exec a shell would get the SIGTERM that make passes on, and the server would stay.
serve: $(STAMP)
	@exec $(BIN)/mkdocs serve --dev-addr "$$ADDRESS"

site: $(STAMP)
	$(BIN)/mkdocs build --strict

record: $(STAMP)
	@$(BIN)/spritedocs record $(EXAMPLES)

# Tests start hundreds of Pythons, each of which would compile our modules anew; and threads of torch's that
# wait would spin, where other tests want the core.
test test-all: export PYTHONDONTWRITEBYTECODE :=
test test-all: export OMP_WAIT_POLICY := PASSIVE
test test-all: export PYTHONPATH := $(CURDIR)/tests/every_python

test: $(STAMP)
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not (every_start_method or peers or publishing)"

test-all: $(PEERS)
	$(BIN)/python -m pytest -n 3 --dist worksteal --hypothesis-profile random -m "every_start_method or hypothesis or peers"

test-publish: $(STAMP)
	$(BIN)/python -m pytest -m publishing tests/test_workflows.py

# Lighthouse 12 is the last that runs on Node 20.
lighthouse: site
	npm install --prefix .cache/lighthouse --silent --no-fund --no-audit lighthouse@12.8.2
	$(BIN)/python benchmarks/site/lighthouse.py $(RECORD)

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet --persona auditor .github/workflows

clean:
	rm -rf site .site.building .site.former .cache/spritedocs/rendered .cache/spritedocs/templates .cache/spritedocs/notebooks \
	  .cache/spritedocs/search.json .cache/spritedocs/wheel
	rm -rf dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find src tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

ifneq "$(STAMPED)$(LOCK)" "$(CURDIR)"
$(STAMP): FORCE
endif

NEEDS := spritedocs needs Python 3.11 to 3.14
CHECK := import sys; v = sys.version_info[:2]; \
  sys.exit(not (3, 11) <= v < (3, 15) and "%s is Python %d.%d, and $(NEEDS): %s." % (sys.argv[1], *v, sys.argv[2]))

PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install -qq
ifdef LOCK
$(if $(wildcard $(LOCK)),,$(error LOCK=$(LOCK) is no file: name one that lists hashes, as in `make install LOCK=requirements.lock`))
# Wheels only, as pip checks no hash of what it would build a source package with. The package itself comes
# second: it is built by the backend that the lock brought, and pip may look for nothing more.
INSTALL = $(PIP) --require-hashes --only-binary :all: -r $(LOCK) && \
  $(PIP) --no-index --no-build-isolation -e ".[docs,test]"
else
# pip 25.3 and newer read the versions of the build backend from PIP_BUILD_CONSTRAINT, older ones from
# PIP_CONSTRAINT.
INSTALL = PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt $(PIP) -e ".[docs,test]"
endif

# With a lock the environment is always a new one: pip checks no hash of what is there already.
$(STAMP): pyproject.toml constraints.txt $(LOCK)
	@if test -n "$(LOCK)"; then rm -rf $(VENV); fi
	@if test -n "$(STAMPED)" && test "$(STAMPED)" != "$(CURDIR)"; then \
	  echo "$(VENV) was made for $(STAMPED): making a new one."; rm -rf $(VENV); fi
	@rm -f $@
	@test -x $(BIN)/python || { \
	  command -v "$(PYTHON)" >/dev/null || { \
	    echo 'PYTHON=$(PYTHON) is no command here, and $(NEEDS): install one, or name yours, as in `make install PYTHON=python3.12`.' >&2; exit 1; }; \
	  "$(PYTHON)" -c '$(CHECK)' "PYTHON=$(PYTHON)" 'name another, as in `make install PYTHON=python3.12`' || exit 1; \
	  "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo 'PYTHON=$(PYTHON) cannot make virtual environments: install its venv package (on Debian and Ubuntu: apt-get install python3-venv).' >&2; exit 1; }; \
	  "$(PYTHON)" -m venv --clear $(VENV); }
	@$(BIN)/python -c '$(CHECK)' $(BIN)/python 'remove it with `rm -rf $(VENV)` and run make again'
	@echo "Installing into $(VENV): a minute or two, longer where PyTorch's CUDA build has to come ..."
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(INSTALL)
	@echo "$(CURDIR)" > $@

# Of other projects, which only these tests and a benchmark train and load with.
$(PEERS): $(STAMP) constraints-peers.txt
	@echo "Installing Lightning, Transformers, Accelerate and others into $(VENV) ..."
	@PIP_CONSTRAINT="constraints.txt constraints-peers.txt" PIP_BUILD_CONSTRAINT=constraints.txt $(PIP) -e ".[peers]"
	@touch $@

FORCE:
