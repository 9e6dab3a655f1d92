# `make` lists the targets. It needs git, GNU make 3.81 or later, and Python 3.11, 3.12 or 3.13.

# The Python to make .venv with; empty: the first suitable one (tools/find_python.sh).
PYTHON =

# Run a command as after `. .venv/bin/activate`, so that dvc.yaml's `python` is that of .venv even in
# another active environment. The echo shows the command.
in_venv = @echo '$(1)'; unset PYTHONHOME; VIRTUAL_ENV="$$PWD/.venv" PATH="$$PWD/.venv/bin:$$PATH" $(1)

# Pictures of README.md and docs/chapter.md, from the outputs of the last `dvc repro`.
PICTURES = bandit-policy cartpole-learning_curve cartpole-plane pendulum-plane

.PHONY: help setup gpu extras repro test test-slow lock pictures

help:
	@echo 'make repro      set up, check params.yaml, then run `dvc repro`'
	@echo 'make test       set up, then check format, lint, types, imports and prose, and run the tests'
	@echo 'make test-slow  attack the pipeline: kills, full disks, damaged files, random parameters'
	@echo 'make setup      install the versions of requirements.txt and requirements-tune.txt into .venv'
	@echo 'make gpu        the same with CUDA (Linux, NVIDIA GPU); later targets keep it'
	@echo 'make extras     install Box2D, too (requirements-extras.txt)'
	@echo 'make pictures   update docs/pictures/ from the outputs in data/'
	@echo 'make lock       update the requirements*.txt from the .in files'
	@echo
	@echo 'Daily use: . .venv/bin/activate, then dvc repro, dvc exp run and so on.'
	@echo 'To use another Python: make PYTHON=/path/to/python3.12 <target>. To start over: rm -rf .venv'

setup:
	@sh tools/setup.sh "$(PYTHON)"

gpu:
	@sh tools/setup.sh --gpu "$(PYTHON)"

extras: setup
	@.venv/bin/python -m pip --disable-pip-version-check --quiet install --no-user --compile \
	  --require-hashes -r requirements-extras.txt && echo 'extras: requirements-extras.txt is installed'

repro: setup
	$(call in_venv,python -m pipeline check)
	$(call in_venv,dvc repro)
	@git diff --quiet HEAD -- dvc.lock data 2>/dev/null || printf '%s\n' '' \
	  'dvc.lock or data/ differs from the commit. If you changed no parameter, code changed after the' \
	  'commit of dvc.lock, or this processor rounds differently (docs/reproducibility.md). Commit the' \
	  'changes, or discard them, for example before a `git pull`: git restore dvc.lock data'

test: setup
	$(call in_venv,ruff format --check .)
	$(call in_venv,ruff check .)
	$(call in_venv,mypy)
	$(call in_venv,lint-imports)
	$(call in_venv,codespell)
	$(call in_venv,python tools/prose.py)
	$(call in_venv,pytest --numprocesses auto --dist loadscope --no-loadscope-reorder)

test-slow: setup
	$(call in_venv,pytest -m slow)

pictures:
	@for picture in $(PICTURES); do \
	  cp "data/$${picture%%-*}/plots/$${picture#*-}.png" "docs/pictures/$$picture.png" || exit 1; \
	done
	@cp data/cartpole/variance.png docs/pictures/cartpole-variance.png
	@cp data/pendulum/film/film.gif docs/pictures/pendulum-film.gif
	$(call in_venv,python -m tools.film_untrained pendulum docs/pictures/pendulum-untrained.gif)

lock:
	@sh tools/lock.sh "$(PYTHON)"
