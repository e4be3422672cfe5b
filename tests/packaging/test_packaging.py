"""What an installation promises: one version, pinned extras, rooms that stay apart."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import dlpo

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TESTED_EXTRAS = (
    "serve",
    "codecs",
    "train",
    "export",
    "bench",
    "openvino",
    "otel",
    "ray",
    "docs",
    "dev",
)  # what `make test` installs


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if not line.startswith("#")]
    return {canonicalize_name(pin.name): pin for pin in found}


def test_version_is_that_of_the_package() -> None:
    assert metadata.version("dlpo") == dlpo.__version__
    assert PROJECT["dynamic"] == ["version"]


def test_extras_are_those_that_the_readme_names() -> None:
    extras = set(PROJECT["optional-dependencies"])

    assert extras == {
        "serve", "codecs", "train", "export", "bench", "gpu", "openvino", "otel", "ray",
        "tensorrt", "riva", "docs", "dev",
    }  # fmt: skip


@pytest.mark.parametrize("extra", ["", *TESTED_EXTRAS])
def test_every_tested_dependency_is_pinned_within_its_bounds(extra: str) -> None:
    declared = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]

    for requirement in map(Requirement, declared):
        (pin,) = pins()[canonicalize_name(requirement.name)].specifier
        assert pin.operator == "=="
        assert pin.version in requirement.specifier


@pytest.mark.parametrize(
    "module",
    ["dlpo_serving.server", "dlpo_serving.local.say", "dlpo_serving.local.demo", "dlpo.bundle",
     "dlpo.text", "dlpo.cli"],
)  # fmt: skip
def test_speaking_never_loads_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_dlpo_loads_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import dlpo;"
        "sys.exit(set(sys.modules) - before != {'dlpo'})"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", out]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_wheel_holds_the_four_packages_and_nothing_of_the_checkout(wheel_names: set[str]) -> None:
    top = {name.split("/")[0] for name in wheel_names}

    assert top == {
        "dlpo", "dlpo_serving", "dlpo_export", "dlpo_bench", f"dlpo-{dlpo.__version__}.dist-info",
    }  # fmt: skip


def test_wheel_holds_every_file_of_the_embedded_voice(wheel_names: set[str]) -> None:
    voice = ROOT / "dlpo" / "voices" / "lj"
    files = {f"dlpo/voices/lj/{path.name}" for path in voice.iterdir()}

    assert "dlpo/voices/lj/voice.json" in files
    assert files <= wheel_names


def test_wheel_holds_the_schema_of_bundles(wheel_names: set[str]) -> None:
    assert "dlpo/bundle/voice.schema.json" in wheel_names


@pytest.mark.parametrize(
    "page", ["serving/dlpo_serving/http/page", "benchmarks/dlpo_bench/listening/page"]
)
def test_wheel_holds_every_file_of_the_web_pages(wheel_names: set[str], page: str) -> None:
    inside = page.partition("/")[2]
    files = {f"{inside}/{path.name}" for path in (ROOT / page).iterdir()}

    assert f"{inside}/index.html" in files
    assert files <= wheel_names
