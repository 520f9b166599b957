# make run, make test: everything else is a part of these two, or a convenience
PYTHON ?= python3
BIN := .venv/bin
CALLERS_PATH := $(PATH)
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: run test setup lab tensorboard studio notebooks editions demo-site colab

# Train the first recipe and say where its picture, its curves and the notebooks are, as can be typed outside of make
run: setup
	@PATH="$(CALLERS_PATH)" $(BIN)/cgan train bce
	@echo "  the course    make lab   (JupyterLab; begin with notebooks/00_start_here.ipynb)"

# Everything that must hold: style, unit tests, every notebook from top to bottom
test: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m pytest --numprocesses=2

setup: $(BIN)/.installed

# Installs again only when the dependencies have changed
$(BIN)/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "Python 3.10 or newer is needed: make PYTHON=python3.12 …" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the dependencies into .venv (once; PyTorch is a large download) …"
	@$(BIN)/python tools/install.py
	@touch $@

lab: setup
	@$(BIN)/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb

tensorboard: setup
	@$(BIN)/tensorboard --logdir logs --samples_per_plugin images=1000

# The sliders of notebook 06 as an app in the browser
studio: setup
	@$(BIN)/voila cgan_lib/studio/app/studio.ipynb

# Run every notebook in the demo profile and store what it shows, without what must not be stored
notebooks: setup
	@$(BIN)/python tools/notebooks.py

# The notebooks for students, without solutions, and for teachers, with notes: build/student, build/instructor
editions: setup
	@$(BIN)/python tools/editions.py student
	@$(BIN)/python tools/editions.py instructor

# A folder for any static web host: the page, and a generator that runs in the visitor's browser.
# make demo-site SOURCE=logs/mnist/bce/demo OUT=public: another generator, another folder
demo-site: setup
	@$(BIN)/python tools/demo_site.py --source "$(or $(SOURCE),relativistic)" --out "$(or $(OUT),site)"

# make colab REPO=owner/name: point the Colab badges and set-up cells at a repository; REPO=owner/name@branch for another
# branch than main, REPO=none to take it out again
colab:
	@$(PYTHON) tools/colab.py "$(REPO)"
