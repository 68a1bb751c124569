# `make demo` and `make test` set up all they need in .venv on their first call; later calls start at once.
# Needs Python 3.11 with venv, and the Debian packages of BLENDER_LIBRARIES.

# Shared libraries that Blender's wheel links but does not carry (libsm6 brings libice6, libxi6 libx11-6 and libxext6).
BLENDER_LIBRARIES = libgl1 libsm6 libxfixes3 libxi6 libxkbcommon0 libxrender1

# Blender's wheel is built for Python 3.11. `make PYTHON=/path/to/python3.11 test` uses another one than found here.
IS_311 = -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'
PYTHON ?= $(shell for p in python3.11 python3; do $$p $(IS_311) 2>/dev/null && echo $$p && break; done)

DEMO = data/demo
DEMO_ROWS = runs/demo
DEMO_METHODS = oracle still plane
RUN = .venv/bin/python

.PHONY: help demo test publish libraries

help:
	@echo "make demo     render 4 clips, score $(DEMO_METHODS) on them, write a leaderboard page (under 5 minutes)"
	@echo "make publish  every built-in method on every frozen suite, checked, added and built into leaderboards/site"
	@echo "make test     ruff, pyright and the fast tests (under 10 minutes)"

demo: .venv/.installed-demo
	$(RUN) generation/render.py --num 4 --out $(DEMO) --resolution 128x128 --frames 20
	for method in $(DEMO_METHODS); do $(RUN) benchmark/run.py --method $$method --suite $(DEMO) || exit; done
	$(RUN) leaderboards/build.py --results $(DEMO_ROWS) --rows $(DEMO_ROWS)/*/rows.jsonl --out $(DEMO_ROWS)/page
	@echo "The leaderboard page: $(DEMO_ROWS)/page/index.html"

publish: .venv/.installed-test
	$(RUN) leaderboards/republish.py

test: .venv/.installed-test
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/pyright
	$(RUN) -m pytest -q -n auto --dist loadfile

# For CI, which installs them.
libraries:
	@echo $(BLENDER_LIBRARIES)

.venv/bin/uv:
	@"$(PYTHON)" $(IS_311) 2>/dev/null || { echo "error: no Python 3.11 found: 'apt-get install python3.11 python3.11-venv'," \
		"or name yours: 'make PYTHON=/path/to/python3.11 ...'" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip' 2>/dev/null || { echo "error: $(PYTHON) cannot make virtual environments:" \
		"apt-get install python3.11-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv .venv
	.venv/bin/pip install --quiet uv

# Stamps: a second call does not install again, an edit of pyproject.toml does.
.venv/.installed-demo: EXTRAS = generation,leaderboards
.venv/.installed-test: EXTRAS = generation,benchmark,vdpm,test

# uv does not read pip's configuration, so a find-links folder set for pip is handed on (pip separates by spaces, uv by
# commas). When that folder holds torch, uv prefers it: "2.13.0+cpu" is newer than "2.13.0". Otherwise the index would
# give everyone the CUDA build, several GB; "auto" gives the CPU build to machines without a GPU driver.
.venv/.installed-%: pyproject.toml | .venv/bin/uv
	@links=$$(for key in global user site :env:; do .venv/bin/pip config get $$key.find-links; done 2>/dev/null | xargs); \
	ls $$(printf '%s/torch-2.13*.whl ' $$links) >/dev/null 2>&1 || export UV_TORCH_BACKEND=$${UV_TORCH_BACKEND:-auto}; \
	export UV_FIND_LINKS=$${UV_FIND_LINKS:-$$(echo $$links | tr ' ' ',')}; \
	.venv/bin/uv pip install --python $(RUN) -e '.[$(EXTRAS)]'
	@$(RUN) generation/check_libraries.py $(BLENDER_LIBRARIES)
	@touch $@
