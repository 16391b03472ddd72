# make demo: everything, from an empty folder to the page. make test: every check, browser included.
PYTHON ?= python3
SERVE ?= 1
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check lint benchmark benchmark-retrieve benchmark-features benchmark-rank benchmark-counterfactual benchmark-evaluate benchmark-serve benchmark-simulate benchmark-rerank screenshot clean
.DEFAULT_GOAL := demo

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make demo PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -q && apt-get install -y -q python3-venv; else echo "Python's venv is missing; run: sudo apt-get install -y python3-venv"; exit 1; fi; }
	@echo "installing into $(VENV) …"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/pip install -q --disable-pip-version-check axe-playwright-python httpx hypothesis mypy opentelemetry-exporter-otlp-proto-http opentelemetry-sdk "optuna>=4" pandas playwright polars psutil "psycopg[binary]" "pyspark>=4,<5" pytest ranx ruff "schemathesis>=4" yamllint "faiss-cpu>=1.9"
	@touch $@

demo: $(VENV)/.installed
	$(BIN)/shortlist demo movies --port $(PORT) $(if $(filter 0,$(SERVE)),--no-serve,)

lint: $(VENV)/.tested
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

test: $(VENV)/.tested lint
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then echo "installing chromium for the browser test"; apt-get update -q && apt-get install -y -q --no-install-recommends chromium fonts-dejavu-core; \
	  else echo "Chromium is missing; run: sudo apt-get install -y chromium"; exit 1; fi; }
	@command -v java >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then echo "installing Java 17 for the Spark test"; apt-get update -q && apt-get install -y -q --no-install-recommends openjdk-17-jre-headless; \
	  else echo "Java is missing, so the Spark test is skipped; sudo apt-get install -y openjdk-17-jre-headless brings it"; fi; }
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then echo "installing PostgreSQL for the store's tests"; apt-get update -q && apt-get install -y -q --no-install-recommends postgresql; \
	  else echo "PostgreSQL is missing, so its tests are skipped; sudo apt-get install -y postgresql brings it"; fi; }
	$(BIN)/pytest

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

benchmark-rerank: $(VENV)/.tested
	$(BIN)/python benchmarks/rerank.py

screenshot: $(VENV)/.tested
	SHORTLIST_SCREENSHOT=docs/page.png $(BIN)/pytest tests/e2e

clean:
	rm -rf $(VENV) demo artifacts build dist
