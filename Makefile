# make demo: from an empty folder to the page. make test: all checks. make test-full: the same with the long tests.
PYTHON ?= python3
SERVE ?= 1
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
# three workers on two cores, because tests also wait for servers; each uses one thread of every library, and none spins while it waits
WORKERS ?= 3
PARALLEL := -n $(WORKERS) --dist worksteal --durations=20
THREADS := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
# processes of the tests import hundreds of modules: each is compiled once, also where the environment says otherwise
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-full suite scripts check coverage lint clients programs warm docs benchmark benchmark-retrieve benchmark-features benchmark-rank benchmark-counterfactual benchmark-evaluate benchmark-serve benchmark-simulate benchmark-rerank benchmark-embeddings benchmark-gate benchmark-threads benchmark-sizes benchmark-sequences benchmark-multitask benchmark-real benchmark-deep benchmark-gpu benchmark-sasrec lock lowest audit sbom screenshot clean benchmark-spark
.DEFAULT_GOAL := demo

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -q && apt-get install -y -q python3-venv; else echo "Python's venv is missing; run: sudo apt-get install -y python3-venv"; exit 1; fi; }
	@echo "installing into $(VENV) …"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/pip install -q --group dev
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/shortlist demo movies --port $(PORT) $(if $(filter 0,$(SERVE)),--no-serve,)

lint: $(VENV)/.tested
	$(BIN)/ruff check src tests benchmarks clients
	$(BIN)/ruff format --check src tests benchmarks clients
	$(BIN)/lint-imports
	$(BIN)/mypy

# the OpenAPI document of the server, the types of the TypeScript client, and its copy for the page
clients: $(VENV)/.tested clients/typescript/node_modules/.installed
	$(BIN)/python clients/openapi.py
	cd clients/typescript && npm run --silent types && npm run --silent build && npm run --silent vendor

clients/typescript/node_modules/.installed: clients/typescript/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing; run: sudo apt-get install -y npm"; exit 1; }
	cd clients/typescript && npm ci --no-audit --no-fund
	@touch $@

# Debian packages that some tests need: name of a file of the package, then the packages
programs:
	@missing=""; \
	command -v chromium >/dev/null || missing="$$missing chromium fonts-dejavu-core"; \
	command -v java >/dev/null || missing="$$missing openjdk-17-jre-headless"; \
	command -v node >/dev/null || missing="$$missing nodejs"; \
	PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || missing="$$missing nginx-light"; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	ls /usr/share/java/postgresql.jar >/dev/null 2>&1 || missing="$$missing libpostgresql-jdbc-java"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing$$missing for the tests"; apt-get update -q && apt-get install -y -q --no-install-recommends $$missing; \
	else \
	  echo "These programs are missing; run: sudo apt-get install -y$$missing"; \
	  command -v chromium >/dev/null; \
	fi

# compiles Numba's kernels and trains the shared bundle once, before the workers start
warm: $(VENV)/.tested
	PYTHONPATH=tests $(THREADS) $(BIN)/python -m support.warm

# the checks of the source, and then the tests of the scripts, run beside the tests
test: $(VENV)/.tested programs
	$(MAKE) -j2 lint suite scripts

suite: warm
	$(THREADS) $(BIN)/pytest $(PARALLEL)

scripts:
	@if command -v node >/dev/null; then node --test tests/page/*.test.js tests/clients/*.test.js; fi

# the tests in their long form: 50 kills under load, published data sets, full-size simulations
test-full:
	SHORTLIST_TEST_FULL=1 $(MAKE) test

coverage: $(VENV)/.tested programs warm
	$(THREADS) $(BIN)/pytest $(PARALLEL) --cov --cov-report=term:skip-covered --cov-report=html:build/coverage

benchmark: $(VENV)/.tested
	$(BIN)/python benchmarks/run.py

benchmarks/.peers/.installed: benchmarks/peers_retrieve.txt
	$(PYTHON) -m venv benchmarks/.peers
	benchmarks/.peers/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

benchmark-retrieve: $(VENV)/.tested benchmarks/.peers/.installed
	$(BIN)/python benchmarks/retrieve.py $(PARTS)

benchmark-features: $(VENV)/.tested
	$(BIN)/python benchmarks/features.py

benchmark-rank: $(VENV)/.tested
	$(BIN)/pip install -q --disable-pip-version-check lightgbm
	$(BIN)/python benchmarks/rank.py $(PARTS)

benchmark-multitask: $(VENV)/.tested
	$(BIN)/python benchmarks/multitask.py $(PARTS)

benchmark-serve: $(VENV)/.tested
	@command -v wrk >/dev/null || { echo "wrk is missing; run: sudo apt-get install -y wrk postgresql"; exit 1; }
	$(BIN)/python benchmarks/serve.py

benchmarks/.obp/.installed: benchmarks/peers_counterfactual.txt
	$(PYTHON) -m venv benchmarks/.obp
	benchmarks/.obp/bin/pip install -q --disable-pip-version-check --no-deps obp==0.4.1
	benchmarks/.obp/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

benchmark-counterfactual: $(VENV)/.tested benchmarks/.obp/.installed
	$(BIN)/python benchmarks/counterfactual.py $(PARTS)

benchmarks/.judges/.installed: benchmarks/peers_evaluate.txt
	$(PYTHON) -m venv benchmarks/.judges
	benchmarks/.judges/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

benchmark-evaluate: $(VENV)/.tested benchmarks/.judges/.installed
	$(BIN)/python benchmarks/evaluate.py $(PARTS)

benchmark-simulate: $(VENV)/.tested
	$(BIN)/python benchmarks/simulate.py $(PARTS)

# PARTS: --static FOLDER --network FOLDER (weights of encoders)
benchmark-embeddings: $(VENV)/.tested
	$(BIN)/python benchmarks/embeddings.py $(PARTS)

benchmark-rerank: $(VENV)/.tested
	$(BIN)/python benchmarks/rerank.py

benchmark-gate: $(VENV)/.tested
	$(BIN)/python benchmarks/gate_power.py

# PARTS: rows, each with a seed: transformer:0 "auto with networks"; without: all that are missing
benchmark-sequences: $(VENV)/.tested
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python benchmarks/sequences.py $(PARTS)

# PARTS: rows of the table; without: all that are missing. The quality beside is that of benchmark-sequences
benchmark-deep: $(VENV)/.tested
	$(THREADS) $(BIN)/python benchmarks/deep.py $(PARTS)

benchmarks/.peers_deep/.installed: benchmarks/peers_deep.txt
	$(PYTHON) -m venv benchmarks/.peers_deep
	benchmarks/.peers_deep/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

# PARTS: a data set with a split: movielens-100k:time; without: all that are missing
benchmark-sasrec: $(VENV)/.tested benchmarks/.peers_deep/.installed
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 $(BIN)/python benchmarks/sasrec.py $(PARTS)

# on a machine with a GPU; PARTS=--dry-run: the steps on a CPU
benchmark-gpu: $(VENV)/.tested
	$(BIN)/python benchmarks/gpu.py $(PARTS)

benchmark-threads: $(VENV)/.tested
	$(BIN)/python benchmarks/threads.py

benchmarks/.peers_real/.installed: benchmarks/peers_real.txt
	$(PYTHON) -m venv benchmarks/.peers_real
	benchmarks/.peers_real/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

# DATA: the folder of the data sets (benchmarks/real/README.md); PARTS: sections, or --validation
benchmark-real: $(VENV)/.tested benchmarks/.peers_real/.installed
	$(BIN)/pip install -q --disable-pip-version-check lightgbm
	$(THREADS) $(BIN)/python benchmarks/real/run.py $(if $(DATA),--data $(DATA)) $(PARTS)

benchmark-sizes: $(VENV)/.tested
	$(BIN)/python benchmarks/sizes.py

benchmark-spark: $(VENV)/.tested
	$(BIN)/python benchmarks/skew.py
	$(BIN)/python benchmarks/spark_trees.py
	$(BIN)/python benchmarks/spark.py

screenshot: $(VENV)/.tested
	SHORTLIST_SCREENSHOT=docs/assets/page.png $(BIN)/pytest tests/e2e

docs: $(VENV)/.tested
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site

build/tools/.installed: pyproject.toml
	$(PYTHON) -m venv build/tools
	build/tools/bin/pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'
	build/tools/bin/pip install -q --disable-pip-version-check --group tools
	@touch $@

# the packages of the image, with hashes
lock: build/tools/.installed
	build/tools/bin/uv pip compile -q pyproject.toml --extra postgres --extra index --extra tracing --generate-hashes \
	  --python-version 3.11 --no-header --no-annotate -o deploy/requirements.lock
	sed -i '1i # The packages of the image, with hashes. Written by: make lock' deploy/requirements.lock

# the lowest versions that pyproject.toml allows, in an environment of their own, and the fast tests
LOWEST := tests/test_requests.py tests/metrics tests/retrieve tests/rank tests/rerank tests/store tests/serve/test_origin.py
lowest: build/tools/.installed
	build/tools/bin/uv pip compile -q pyproject.toml --group dev --extra frames --resolution lowest-direct \
	  --python-version 3.11 -o build/lowest.txt
	build/tools/bin/uv venv -q --allow-existing --python 3.11 build/lowest
	build/tools/bin/uv pip install -q --python build/lowest/bin/python -r build/lowest.txt
	build/tools/bin/uv pip install -q --python build/lowest/bin/python --no-deps -e .
	$(THREADS) build/lowest/bin/python -m pytest $(PARALLEL) $(LOWEST)

# known vulnerabilities of the image's packages; needs the network
audit: build/tools/.installed
	build/tools/bin/pip-audit --disable-pip --require-hashes -r deploy/requirements.lock

# the image's packages as a CycloneDX document
sbom: build/tools/.installed
	build/tools/bin/cyclonedx-py requirements deploy/requirements.lock --pyproject pyproject.toml -o build/sbom.json

clean:
	rm -rf $(VENV) demo artifacts build dist
