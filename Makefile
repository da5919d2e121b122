# llmfleet.conda: `make` alone lists what there is. Everything made here lives under build/ and in
# the user's cache directory.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# Set by some build machines; conda then compiles its own modules anew on every start (3 s each).
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
unexport PYTHONHOME

BIN := build/venv/bin
RUN_TESTS := $(BIN)/python -m scripts.testing.run_tests
SCENARIO ?= default
ARGS ?=

.PHONY: help venv demo check test test-full lint sanity docs-lint importer unit units lab-tests integration newest controllers proof proof-page bench faults molecule lab build-collection catalogue facts facts-data constraints pins changelog clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: ## make or refresh build/venv from requirements/*.txt (PYTHON=... chooses the interpreter)
	@scripts/setup/bootstrap.sh

demo: venv ## build the lab, run playbooks/site.yml twice on this machine inside build/demo, show the result
	@$(BIN)/python -m scripts.play.demo

check: venv ## in two minutes: linters without ansible-test sanity, unit tests on this Python; no lab, no Docker
	@$(RUN_TESTS) --check

test: venv ## what every change must pass, in 25 minutes: linters, units, integration, Molecule, two lanes side by side
	@$(RUN_TESTS)

test-full: venv ## everything, in parts one after the other (PART=code, oldest, newest, hosts or proof runs one)
	@$(RUN_TESTS) --full $(if $(PART),--part $(PART))

lint: venv ## linters, documentation, ansible-test sanity and text rules
	@$(RUN_TESTS) --full lint sanity

sanity: venv ## ansible-test sanity only (ARGS="--test pylint" goes to ansible-test)
	@$(BIN)/python -m scripts.testing.sanity $(ARGS)

docs-lint: venv ## the pages that antsibull-docs makes of modules and roles only
	@$(BIN)/python -m scripts.testing.docs_lint

importer: venv ## Galaxy's importer on the built artifact only
	@$(BIN)/python -m scripts.testing.galaxy_importer

unit: venv ## unit tests only, on this Python (ARGS="-k name" goes to pytest)
	@$(RUN_TESTS) unit -- $(ARGS)

units: venv ## `ansible-test units` only, on every Python from 3.9 to 3.13 (ARGS="3.9" chooses)
	@$(BIN)/python -m scripts.testing.units $(ARGS)

lab-tests: venv ## the lab's own tests only
	@$(RUN_TESTS) --full lab -- $(ARGS)

integration: venv ## all integration tests with real conda only, on the oldest Python of managed hosts
	@$(RUN_TESTS) --full integration -- $(ARGS)

newest: venv ## the modules' integration tests on the newest Python of managed hosts only
	@$(RUN_TESTS) --full newest -- $(ARGS)

controllers: venv ## the site playbook run by the other supported releases of ansible-core only
	@$(RUN_TESTS) --full controllers -- $(ARGS)

bench: venv ## measure: ours beside a ping, a playbook written by hand, and conda alone (ARGS="noop" chooses a part)
	@$(BIN)/python -m proof.bench $(ARGS)

faults: venv ## do on purpose what happens to fleets, and see it survived (ARGS="killed" chooses a part)
	@$(BIN)/python -m proof.faults $(ARGS)

proof: venv ## the few cases of `make bench` and `make faults` that `make test-full` has
	@$(RUN_TESTS) proof

proof-page: venv ## write docs/proof.md from the last whole runs of `make bench` and `make faults`
	@$(BIN)/python -m scripts.generate.make_proof_page

molecule: venv ## one Molecule scenario (SCENARIO=default)
	@$(RUN_TESTS) molecule --scenario $(SCENARIO)

lab: venv ## build the lab: channel, installer, wheelhouse, model, host images
	@$(BIN)/python -m lab build

build-collection: venv ## the artifact that Galaxy would get, under build/dist
	@$(BIN)/ansible-galaxy collection build --force --output-path build/dist

catalogue: venv ## write the installer catalogue from data/installers.json (URL=... adds a publisher's list first)
	@$(if $(URL),$(BIN)/python -m scripts.generate.add_installers "$(URL)")
	@$(BIN)/python -m scripts.generate.make_catalogue

facts: venv ## print the tables in data/facts with the age of each row in days
	@$(BIN)/python -m scripts.generate.facts show

facts-data: venv ## write what is generated from data/facts: role variables, Python tables, docs/facts.md
	@$(BIN)/python -m scripts.generate.facts write

constraints: venv ## resolve the profiles of the LLM stack anew (ARGS="train app" chooses)
	@$(BIN)/python -m scripts.generate.make_constraints $(ARGS)

pins: venv ## resolve what the tests install anew: requirements/constraints (ARGS="units" chooses)
	@$(BIN)/python -m scripts.generate.make_pins $(ARGS)

changelog: venv ## write CHANGELOG.md from changelogs/fragments
	@$(BIN)/python -m scripts.generate.make_changelog

clean: ## remove build/ (the lab's cache stays; `python -m lab clean` removes that)
	@rm -rf build
