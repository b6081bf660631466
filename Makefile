# `make help` lists the targets. Everything stays in this folder; no root, no server.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
VENV := .venv
RUN := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup fetch run test test-services test-host test-versions e2e check bench torture schema lock clean

help:  ## what can be done
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1|/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: $(VENV)/run .env  ## virtual environment, dependencies and .env

# The first Python that is recent enough, can make virtual environments, and lies where the account of
# a service can read it: one in root's home would run for root alone. PYTHON=… is taken as it is.
FITS := import os, pathlib, sys, venv, ensurepip; home = pathlib.Path(sys.base_prefix).resolve(); \
	private = os.geteuid() == 0 and not all(place.stat().st_mode & 1 for place in (home, *home.parents)); \
	sys.exit(sys.version_info < (3, 11) or (private and sys.argv[1:] == ["shared"]))
$(VENV)/bin/python:
	@for who in shared any; do \
		for python in $(if $(PYTHON),$(PYTHON),python3 python3.13 python3.12 python3.11 /usr/bin/python3); do \
			if $$python -c '$(FITS)' $(if $(PYTHON),any,$$who) 2>/dev/null; then \
				echo "Environnement virtuel : $$($$python --version)"; \
				[ $$who = shared ] || echo "Attention : seul root peut lancer ce Python. Pour un service : apt install python3-venv, puis make clean setup." >&2; \
				exec $$python -m venv $(VENV); \
			fi; \
		done; \
	done; \
	echo "Il faut Python 3.11 ou plus récent, avec venv (Debian : apt install python3-venv)." >&2; exit 1

$(VENV)/run: requirements/prod.txt | $(VENV)/bin/python
	@echo "Installation des dépendances…"
	@$(RUN) -m pip install --quiet --require-hashes -r $<
	@touch $@

$(VENV)/dev: requirements/dev.txt | $(VENV)/bin/python
	@echo "Installation des dépendances des tests…"
	@$(RUN) -m pip install --quiet --require-hashes -r $<
	@touch $@ $(VENV)/run

.env: | $(VENV)/bin/python
	@umask 077 && $(RUN) -c 'import pathlib, secrets; print(pathlib.Path(".env.example").read_text(encoding="utf-8").replace("SECRET_KEY=\n", f"SECRET_KEY={secrets.token_urlsafe(50)}\n", 1), end="")' > .env

fetch: setup  ## fetch a dossier: make fetch DOSSIER=12345
	@if [ -z "$$DOSSIER" ]; then echo "Donnez un numéro : make fetch DOSSIER=12345" >&2; exit 2; fi
	@$(RUN) -m config.demo fetch_dossier "$$DOSSIER"

run: setup  ## the pages on 127.0.0.1:8000 (make run PORT=8001), with a demo account
	@$(RUN) -m config.demo serve

# More processes than cores: tests wait half of their time, for sockets and other processes.
TESTS := $(RUN) -m pytest -q --numprocesses 4 --dist worksteal

test: $(VENV)/dev  ## the tests
	@$(TESTS)

test-services: $(VENV)/dev  ## the tests again, on PostgreSQL and with Redis (installed if they are not there)
	@.ci/postgresql .ci/redis $(TESTS)

test-host:  ## the wheel in a project that is not ours, on the oldest and the newest pair
	@.ci/host $$(.ci/python 3.11 || echo python3) 'django~=5.2.0'
	@newest=$$(.ci/python 3.13 || .ci/python 3.12) || { echo "Python 3.12 : absent d'ici, Django 6.1 n'est pas essayé"; exit 0; }; \
		.ci/host $$newest 'django~=6.1.0'

test-versions:  ## the same on every pair that this machine has
	@for version in 3.11 3.12 3.13; do \
		python=$$(.ci/python $$version) || { echo "Python $$version : absent d'ici"; continue; }; \
		for django in 5.2 6.0 6.1; do \
			[ $$version = 3.11 ] && [ $$django != 5.2 ] && continue; \
			.ci/host $$python "django~=$$django.0" || exit 1; \
		done; \
	done

$(VENV)/e2e: requirements/e2e.txt | $(VENV)/dev
	@echo "Installation des dépendances du navigateur…"
	@$(RUN) -m pip install --quiet --require-hashes -r $<
	@touch $@

e2e: $(VENV)/e2e  ## the pages in a real browser (Debian's chromium, installed if it is not there)
	@command -v chromium >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -qq --no-install-recommends chromium fonts-dejavu >/dev/null; }
	@$(RUN) -m pytest -q --override-ini='addopts=--strict-markers --allow-hosts=127.0.0.1,::1,localhost' tests/e2e

check: $(VENV)/dev  ## format, lint, types, migrations, settings
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy
	@$(VENV)/bin/lint-imports --no-cache --no-logo
	@$(VENV)/bin/hadolint Dockerfile
	@DJANGO_SETTINGS_MODULE=tests.settings $(RUN) manage.py makemigrations --check --dry-run
	@DJANGO_SETTINGS_MODULE=tests.settings $(RUN) manage.py check

bench: $(VENV)/dev  ## speed, as ratios measured side by side
	@$(RUN) -m tests.bench
	@$(RUN) -m tests.bench.content
	@.ci/postgresql $(RUN) -m tests.bench.admin
	@.ci/postgresql $(RUN) -m tests.bench.api
	@$(RUN) -m tests.bench.files
	@$(RUN) -m tests.bench.refresh
	@.ci/postgresql $(RUN) -m tests.bench.refresh
	@$(RUN) -m tests.bench.busy
	@.ci/postgresql $(RUN) -m tests.bench.busy
	@.ci/postgresql .ci/redis $(RUN) -m tests.bench.load

torture: $(VENV)/dev  ## every fault, of refreshes too, and 200 kills, on SQLite and on PostgreSQL (half an hour)
	@.ci/redis $(RUN) -m tests.torture
	@$(RUN) -m pytest -q --hypothesis-profile=torture tests/test_properties.py
	@.ci/postgresql .ci/redis $(RUN) -m tests.torture
	@.ci/postgresql $(RUN) -m pytest -q --hypothesis-profile=torture tests/test_properties.py

schema: $(VENV)/dev  ## write docs/openapi.yaml, the copy of the API's schema
	@$(RUN) -m tests.api.schema docs/openapi.yaml

lock: $(VENV)/dev  ## pin requirements/*.in to *.txt, with hashes
	@for name in base prod celery oidc paas sentry dev e2e; do \
		$(RUN) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --custom-compile-command 'make lock' \
			pyproject.toml requirements/$$name.in --output-file requirements/$$name.txt || exit 1; \
	done

clean:  ## remove the virtual environment and the caches (neither .env nor data)
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
