# Everything a developer runs. `make demo` and `make test` work on a fresh machine that has Python 3.11 or newer and
# a Rust toolchain.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test build lint format docs accuracy bench fuzz clean

## Install pondera into .venv and show what it does on a few models made up on the spot.
demo: $(VENV)/installed
	$(BIN)/pondera demo

## Run all tests, Rust and Python.
test: build
	cargo test --workspace --exclude pondera-python --quiet
	$(BIN)/python -m pytest

## Build the extension in release mode and install it, with what tests and lints need, into .venv.
build: $(VENV)/tools
	$(BIN)/maturin develop --release --quiet

## Everything that must be clean before a change lands.
lint: build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest pondera._native

## Put Rust and Python into the one format.
format: $(VENV)/tools
	cargo fmt --all
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

## Write the generated parts of docs/ anew.
docs: build
	$(BIN)/python tests/refresh_docs.py

## Hold estimates against measurements; docs/accuracy.md and the error bands are written anew.
accuracy: build
	$(BIN)/python tests/accuracy.py

## Measure against the peers; the table goes to docs/performance.md.
bench: build
	$(BIN)/pip install --quiet --group bench
	cargo build --release --quiet -p pondera-benches
	$(BIN)/python benches/scan.py --markdown docs/performance.md
	$(BIN)/python benches/architecture.py --markdown docs/performance.md
	$(BIN)/python benches/sweep.py --markdown docs/performance.md
	$(BIN)/python benches/hub.py --markdown docs/performance.md

## Fuzz for a minute each; needs a nightly toolchain and cargo-fuzz.
fuzz:
	cd rust/fuzz && cargo +nightly fuzz run header -- -max_total_time=60
	cd rust/fuzz && cargo +nightly fuzz run index -- -max_total_time=60
	cd rust/fuzz && cargo +nightly fuzz run config -- -max_total_time=60
	cd rust/fuzz && cargo +nightly fuzz run name -- -max_total_time=60

clean:
	rm -rf $(VENV) target dist rust/fuzz/target
	rm -f python/pondera/_native*.so

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"

$(VENV)/tools: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet "maturin>=1.16,<2" --group test --group lint
	touch $@

$(VENV)/installed: $(VENV)/bin/python pyproject.toml Cargo.toml $(shell find rust/core rust/python python -name '*.rs' -o -name '*.py' -o -name '*.toml')
	$(BIN)/pip install --quiet .
	touch $@
