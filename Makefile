# The only set-up that this project needs is git, make and Python 3.11, 3.12 or 3.13; `make` lists
# the targets. GNU make 3.81 or later.

# Which Python to make .venv with; empty: the first that fits (tools/find_python.sh).
PYTHON =

# What `. .venv/bin/activate` does, so that dvc.yaml's `python` is .venv's, whatever environment
# the user is in. The echo says what is run.
in_venv = @echo '$(1)'; unset PYTHONHOME; VIRTUAL_ENV="$$PWD/.venv" PATH="$$PWD/.venv/bin:$$PATH" $(1)

# The pictures of the README, from what the last `dvc repro` wrote.
PICTURES = bandit-policy cartpole-learning_curve cartpole-plane cartpole-variance \
	pendulum-learning_curve pendulum-plane
FILMS = cartpole pendulum

.PHONY: help setup gpu repro test test-slow lock pictures

help:
	@echo 'make repro    everything: set-up, check of params.yaml, then dvc repro'
	@echo 'make test     set-up, then format, lint, types, imports and tests'
	@echo 'make test-slow the tests that attack it: kills, full disks, damaged files, mutations'
	@echo 'make setup    the set-up alone: .venv, with what requirements.txt says'
	@echo 'make gpu      the set-up with CUDA, for Linux with an NVIDIA GPU; later makes keep it'
	@echo 'make pictures copy the pictures of README.md from data/ to docs/'
	@echo 'make lock     write requirements.txt and requirements-gpu.txt anew from the .in files'
	@echo
	@echo 'Daily use: . .venv/bin/activate, then dvc repro, dvc exp run and so on.'
	@echo 'Another Python: make PYTHON=/path/to/python3.12 <target>. To start over: rm -rf .venv'

setup:
	@sh tools/setup.sh "$(PYTHON)"

gpu:
	@sh tools/setup.sh --gpu "$(PYTHON)"

repro: setup
	$(call in_venv,python -m pipeline check)
	$(call in_venv,dvc repro)
	@git diff --quiet HEAD -- dvc.lock data 2>/dev/null || printf '%s\n' '' \
	  'dvc.lock or data/ is not as committed. If you have changed no parameter and no code, this' \
	  'processor computes other last digits (docs/reproducibility.md). Commit the changes or, before' \
	  'a `git pull` for instance, discard them: git restore dvc.lock data'

test: setup
	$(call in_venv,ruff format --check .)
	$(call in_venv,ruff check .)
	$(call in_venv,mypy)
	$(call in_venv,lint-imports)
	$(call in_venv,pytest --numprocesses auto --dist loadscope --no-loadscope-reorder)

test-slow: setup
	$(call in_venv,pytest -m slow)

pictures:
	@mkdir -p docs/pictures
	@for picture in $(PICTURES); do \
	  cp "data/$${picture%%-*}/plots/$${picture#*-}.png" "docs/pictures/$$picture.png" || exit 1; \
	done
	@for task in $(FILMS); do \
	  cp "data/$$task/film/film.gif" "docs/pictures/$$task-film.gif" || exit 1; \
	done

lock:
	@sh tools/lock.sh "$(PYTHON)"
