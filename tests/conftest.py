"""What all tests may use: a tiny voice with random weights, and a browser."""

from __future__ import annotations

import functools
import gc
import hashlib
import importlib
import logging
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from dlpo.bundle import DEFAULT_VOICE, Bundle
from dlpo_cli import PACKAGES
from dlpo_serving.voices import find_voice

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from dlpo.model.acoustics import AcousticModel
    from tests.firefox import Firefox
    from tests.nvidia.nvidia_fake import FakeNvidia

ExportToy = Callable[..., Path]

# Fixtures that need what `make test` does not install: a test with one gets the mark `full`.
FULL_FIXTURES = {
    "browser",
    "either",
    "firefox",
    "fleet",
    "helm",
    "promtool",
    "ray_python",
    "render",
    "slim",
}
ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")
# What a bundle is made of: where one of these files or packages changes, toys are exported again.
TOY_SOURCES = (
    "export/dlpo_export/**/*.py", "dlpo/model/*.py", "dlpo/bundle/*.py", "dlpo/config/*.py",
    "dlpo/text/symbols.py", "dlpo/*.py",
)  # fmt: skip
TOY_PACKAGES = ("numpy", "onnx", "onnxruntime", "onnxscript", "onnxslim", "torch")
# As root, without a screen, and without a word to Google.
CHROMIUM_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required",
    "--window-size=1280,900",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--strict-skips", action="store_true", help=f"fail where {ALLOWED_SKIPS.name} lacks a skip"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--strict-skips") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(StrictSkips(), "strict-skips")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FULL_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.full)


class StrictSkips:
    """Fails a run in which a test was skipped for a reason that `ALLOWED_SKIPS` does not list."""

    def __init__(self) -> None:
        lines = ALLOWED_SKIPS.read_text().splitlines()
        self.allowed = [line for line in lines if line and not line.startswith("#")]
        self.unlisted: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._check(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._check(report)

    def _check(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            reason = str(report.longrepr[2]).removeprefix("Skipped: ")
            if not any(part in reason for part in self.allowed):
                self.unlisted.add(f"{report.nodeid}: {reason}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unlisted and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for line in sorted(self.unlisted):
            terminalreporter.line(f"skipped, but not in {ALLOWED_SKIPS.name}: {line}", red=True)


@pytest.fixture(scope="session", autouse=True)
def unfrozen_at_the_end() -> Iterator[None]:
    """Garbage is looked for everywhere again when the interpreter ends."""
    yield
    gc.unfreeze()


@pytest.fixture(scope="module", autouse=True)
def set_apart(unfrozen_at_the_end: None) -> None:
    """What lives when a module's tests begin is not garbage; freeze it, as `dlpo serve` does.

    A server of a test looks for garbage each second, and would go through 640,000 objects.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """A command that a test calls sets up logging for its process: that ends with the test."""
    root = logging.getLogger()
    levels = {logger: logger.level for logger in (root, *map(logging.getLogger, PACKAGES))}
    before = root.handlers[:]
    yield
    for logger, level in levels.items():
        logger.setLevel(level)
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler and handler not in before:
            root.removeHandler(handler)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint directory of a `spectral` with random weights and one voice, lj."""
    from tests.toys import SPECTRAL, save_toy

    return save_toy(tmp_path_factory.mktemp("tiny") / "checkpoint", SPECTRAL, seed=1)


@pytest.fixture(scope="session")
def base_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published model in small, with random weights: a seed whose sentences have a length."""
    from tests.toys import BASE, save_toy

    return save_toy(tmp_path_factory.mktemp("base") / "checkpoint", BASE, seed=8)


@pytest.fixture
def spectral(tiny_checkpoint: Path) -> AcousticModel:
    """The model of `tiny_checkpoint`, fresh for each test."""
    from dlpo.checkpoint import load_checkpoint

    return load_checkpoint(tiny_checkpoint).model


@pytest.fixture(scope="session")
def slow_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_checkpoint`, taking its time: its shortest word is long enough for a judge."""
    from tests.toys import SPECTRAL, save_toy

    def change(weights: dict[str, Any]) -> None:
        weights["timing_out.bias"][0] += 2.2  # of log durations

    return save_toy(tmp_path_factory.mktemp("slow") / "checkpoint", SPECTRAL, seed=1, change=change)


@pytest.fixture(scope="session")
def drawing_checkpoint(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_checkpoint` with a contour: it draws its pitch, lively and at random."""
    from dlpo.checkpoint import load_checkpoint
    from tests.toys import CONTOUR, SPECTRAL, save_toy

    def change(weights: dict[str, Any]) -> None:
        weights |= load_checkpoint(tiny_checkpoint).model.state_dict()
        weights["contour.flow.out.weight"].normal_(std=0.1)  # which starts at 0
        weights["prosody_out.bias"][1] += 100  # all voiced

    path = tmp_path_factory.mktemp("drawing") / "checkpoint"
    return save_toy(path, replace(SPECTRAL, contour=CONTOUR), seed=2, change=change)


@functools.cache
def hash_of_exporter() -> str:
    """SHA-256 of the sources and versions that decide the bytes of a bundle."""
    root = Path(__file__).parents[1]
    found = hashlib.sha256()
    for pattern in TOY_SOURCES:
        for path in sorted(root.glob(pattern)):
            found.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    for package in TOY_PACKAGES:
        found.update(f"{package} {version(package)}\n".encode())
    return found.hexdigest()


@pytest.fixture(scope="session")
def export_toy(pytestconfig: pytest.Config) -> ExportToy:
    """`export_toy(checkpoint, out, **options)` writes the bundle of a checkpoint to `out`.

    An export takes half a minute, so bundles are kept in pytest's cache, which processes share.
    """

    def export(checkpoint: Path, out: Path, **options: Any) -> Path:
        from filelock import FileLock

        from dlpo_export.options import ExportOptions
        from dlpo_export.pipeline import export_bundle

        asked = hashlib.sha256(f"{hash_of_exporter()} {sorted(options.items())}".encode())
        for path in sorted(checkpoint.iterdir()):
            asked.update(path.read_bytes())
        kept = Path(pytestconfig.cache.mkdir("toys")) / asked.hexdigest()
        with FileLock(f"{kept}.lock"):
            if not kept.exists():
                export_bundle(checkpoint, kept.with_suffix(".new"), ExportOptions(**options))
                kept.with_suffix(".new").rename(kept)
        return Path(shutil.copytree(kept, out))

    return export


@pytest.fixture(scope="session")
def drawing_bundle(drawing_checkpoint: Path, export_toy: ExportToy) -> Path:
    """The directory of `drawing_checkpoint`'s bundle: 2 steps, weights rounded to 8 bits."""
    out = drawing_checkpoint.parent / "bundle"
    options = {"steps": (2,), "default_steps": 2, "precisions": ("fp32",), "weight_bits": 8}
    return export_toy(drawing_checkpoint, out, **options)


@pytest.fixture(scope="session")
def tiny_bundle(tiny_checkpoint: Path, export_toy: ExportToy) -> Path:
    """The directory of `tiny_checkpoint`'s bundle: 1 or 2 steps, 2 by default."""
    out = tiny_checkpoint.parent / "bundle"
    return export_toy(tiny_checkpoint, out, steps=(1, 2), default_steps=2)


@pytest.fixture(scope="session")
def voices_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy `spectral` checkpoint of ann, who was recorded in two sessions, and bob, who was added
    with adapters."""
    from tests.toys import SPECTRAL, save_toy

    def change(weights: dict[str, Any]) -> None:
        weights["voices.weight"] *= 10
        weights["prosody_out.bias"][1] += 100  # all voiced
        weights["gates.weight"][2] = 3.0

    config = replace(
        SPECTRAL,
        voices=("ann", "ann/studio", "bob"),
        blocks=1,
        adapter_channels=4,
        source_taper_hz=4000.0,
    )
    path = tmp_path_factory.mktemp("voices") / "checkpoint"
    return save_toy(path, config, seed=0, change=change)


@pytest.fixture(scope="session")
def voices_bundle(voices_checkpoint: Path, export_toy: ExportToy) -> Path:
    """The directory of `voices_checkpoint`'s bundle, with one step: voices ann and bob."""
    out = voices_checkpoint.parent / "bundle"
    options = {"steps": (1,), "default_steps": 1, "precisions": ("fp32",), "weight_bits": 32}
    return export_toy(voices_checkpoint, out, **options)


@pytest.fixture(scope="session")
def embedded_fp32() -> Bundle:
    """The embedded voice as if it had been exported in fp32 alone."""
    bundle = Bundle.load(find_voice(DEFAULT_VOICE))
    graphs = {
        name: replace(graph, files={"fp32": graph.files["fp32"]})
        for name, graph in bundle.manifest.graphs.items()
    }
    manifest = replace(bundle.manifest, graphs=graphs, precision="fp32", plans=())
    return replace(bundle, manifest=manifest)


def humming_corpus() -> ModuleType:
    """The module scripts/humming_corpus.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "scripts")
        return importlib.import_module("humming_corpus")


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of scripts/humming_corpus.py, and a text without a recording."""
    root: Path = tmp_path_factory.mktemp("corpora") / "humming"
    humming_corpus().write_corpus(root)
    with (root / "metadata.csv").open("a") as metadata:
        metadata.write("LJ003-0001|Hum?|Hum?\n")
    with (root / "alignments.tsv").open("a") as alignments:
        alignments.write("LJ003-0001\tHH AH1 M sil\t100 300 200 100\thum:0-3\n")
    return root


@pytest.fixture(scope="session")
def tiny_dataset(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_corpus`, prepared."""
    from dlpo.data.ljspeech import prepare

    out = tmp_path_factory.mktemp("dataset")
    prepare(tiny_corpus, tiny_corpus / "alignments.tsv", out)
    return out


@pytest.fixture(scope="session")
def wordy_dataset(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_dataset` with nine sentences more, without recordings, that no other clip says."""
    from dlpo.data.ljspeech import prepare

    root = tmp_path_factory.mktemp("wordy")
    shutil.copytree(tiny_corpus, root / "corpus")
    humming_corpus().add_sentences(root / "corpus")
    prepare(root / "corpus", root / "corpus" / "alignments.tsv", root / "data")
    return root / "data"


@pytest.fixture(scope="session")
def two_processes() -> Callable[..., list[subprocess.Popen[str]]]:
    """`two_processes(module, *words)` runs a module of the tests as both ranks of a job."""

    def start(module: str, *words: object) -> list[subprocess.Popen[str]]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        job = os.environ | {
            "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo",
        }  # fmt: skip
        command = [sys.executable, "-m", module, *map(str, words)]
        return [
            subprocess.Popen(
                command,
                cwd=Path(__file__).parents[1],
                env=job | {"RANK": rank, "LOCAL_RANK": rank},
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in "01"
        ]

    return start


@pytest.fixture(scope="session")
def fake_nvidia() -> type[FakeNvidia]:
    """Class of a machine with a simulated GPU and TensorRT."""
    return importlib.import_module("tests.nvidia.nvidia_fake").FakeNvidia


@pytest.fixture
def nvidia(fake_nvidia: type[FakeNvidia], monkeypatch: pytest.MonkeyPatch) -> FakeNvidia:
    """This machine, made to have a simulated GPU and TensorRT."""
    machine = fake_nvidia()
    for name, module in machine.modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return machine


@pytest.fixture
def real_gpu() -> None:
    """Skips where TensorRT or a GPU is missing."""
    from dlpo.errors import DlpoError
    from dlpo.nvidia import find_gpu, load_tensorrt

    try:
        find_gpu()
        load_tensorrt()
    except DlpoError as error:
        pytest.skip(f"needs a GPU and TensorRT: {error}")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Headless Chromium of the system; skips where there is none."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium and chromedriver on PATH (Debian has both)")
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*CHROMIUM_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Chrome(options, Service(driver))
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """Headless Firefox of the system; skips where there is none."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if not program:
        pytest.skip("no firefox-esr on PATH (Debian has it)")
    from tests.firefox import Firefox

    firefox = Firefox(program, tmp_path_factory.mktemp("firefox"))
    try:
        yield firefox
    finally:
        firefox.quit()


@pytest.fixture(params=["browser", "firefox"])
def either(request: pytest.FixtureRequest) -> Chrome | Firefox:
    """Chromium, then Firefox."""
    return request.getfixturevalue(request.param)
