.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK = 1

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: .venv/installed ## make .venv and install histoseg into it, with the tested versions

.venv/installed: pyproject.toml constraints.txt
	@echo "== making .venv and installing (about 5 GB: PyTorch comes with CUDA) =="
	@[ -n "$(PYTHON)" ] || { echo "no Python >= 3.11 found: make PYTHON=<path of one>"; exit 1; }
	[ -x $(PY) ] || $(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

lint: setup ## style and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

test: lint ## lint, types and every test (about 10 minutes on 2 cores)
	OMP_NUM_THREADS=1 $(PY) -m pytest -n 2 --dist worksteal

test-slow: setup ## the tests that take minutes each
	$(PY) -m pytest -m slow

demo: setup ## train a narrow HoVer-Net, score it, run it on a real photograph (5 minutes on 2 cores)
	@rm -rf demo
	@echo "== 1/3 training a narrow HoVer-Net in two phases on synthetic tissue =="
	$(PY) train.py experiment=demo hydra.run.dir=demo/run
	@echo "== 2/3 scoring it on synthetic tiles it has not seen =="
	$(PY) -m histoseg evaluate ckpt=demo/run hydra.run.dir=demo/scores
	@echo "== 3/3 finding the nuclei of a real IHC photograph (scikit-image's ihc.png) =="
	$(PY) -m histoseg predict ckpt=demo/run output=demo/photograph \
	  input="$$($(PY) -c 'import pathlib, skimage; print(pathlib.Path(skimage.__file__).parent / "data" / "ihc.png")')"
	@$(PY) -c 'import json, sys; pq = json.load(open("demo/scores/metrics.json"))["test/pq"]; \
	  print(f"== panoptic quality on unseen synthetic tiles: {pq:.3f} =="); sys.exit(pq < 0.5 and "expected at least 0.5")'
	@printf '  %-14s%s\n' checkpoint demo/run/best.ckpt "metrics" demo/scores/metrics.json \
	  "each image" demo/scores/images.csv curves demo/run/metrics.csv tensorboard "tensorboard --logdir demo/run/tensorboard" \
	  overlay demo/photograph/overlay/ihc.png QuPath demo/photograph/geojson/ihc.geojson

bench: setup ## every benchmark: name, baseline, ours, ratio, goal (docs/performance.md; half an hour on 2 cores, each file runs by itself too)
	@for file in benchmarks/[a-z]*.py; do PYTHONPATH=benchmarks:tests $(PY) $$file; done

clean: ## remove what the commands above made, .venv included
	rm -rf .venv demo .pytest_cache .mypy_cache .ruff_cache .hypothesis dist

.PHONY: help setup lint test test-slow demo bench clean
