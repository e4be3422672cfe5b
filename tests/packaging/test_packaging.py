"""What an installation promises: pinned extras, a complete wheel, packages that stay apart."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import dlpo
from tests.callers import built

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UNTESTED = {  # extras that `make test` does not install
    "gpu", "gpu-cuda12", "tensorrt", "tensorrt-cuda12", "riva",
}  # fmt: skip
PAGES = ("serving/dlpo_serving/protocols/http/page", "benchmarks/dlpo_bench/listening/page")


def test_every_tested_dependency_is_pinned_within_its_bounds() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    versions = {canonicalize_name(pin.name): pin.specifier for pin in pins}
    extras = PROJECT["optional-dependencies"]
    declared = [line for extra in extras.keys() - UNTESTED for line in extras[extra]]
    declared = [line for line in declared if not line.startswith("dlpo[")]

    for requirement in map(Requirement, PROJECT["dependencies"] + declared):
        (pin,) = versions[canonicalize_name(requirement.name)]
        assert pin.operator == "=="
        assert pin.version in requirement.specifier, requirement


def test_every_package_installs_on_the_oldest_python() -> None:
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {canonicalize_name(line.partition("==")[0]) for line in lines}
    newer = {
        f"{package.name} {package.version}: {wanted}"
        for package in distributions()
        if (wanted := package.metadata.get("Requires-Python"))
        and canonicalize_name(package.name) in pinned
        and oldest not in SpecifierSet(wanted)
    }
    assert newer == set()


@pytest.mark.parametrize(
    "module",
    ["dlpo_serving.server", "dlpo_serving.local.say", "dlpo_serving.local.demo", "dlpo.bundle",
     "dlpo.text", "dlpo_cli"],
)  # fmt: skip
def test_speaking_never_loads_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_dlpo_loads_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import dlpo;"
        "sys.exit(set(sys.modules) - before != {'dlpo', 'dlpo.version'})"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_wheel_holds_the_packages_with_their_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_URL", "https://example.org/dlpo")
    wheel = zipfile.ZipFile(built(ROOT, tmp_path))
    names = set(wheel.namelist())

    assert {name.split("/")[0] for name in names} == {
        "dlpo", "dlpo_cli", "dlpo_serving", "dlpo_export", "dlpo_bench",
        f"dlpo-{dlpo.__version__}.dist-info",
    }  # fmt: skip
    data = [
        *ROOT.glob("dlpo/voices/*/*"),
        *(path for page in PAGES for path in ROOT.glob(f"{page}/*")),
    ]
    assert len(data) > 20
    expected = {str(path.relative_to(ROOT)) for path in data}
    assert {name.removeprefix("serving/").removeprefix("benchmarks/") for name in expected} <= names
    assert "dlpo/bundle/voice.schema.json" in names
    about = wheel.read(f"dlpo-{dlpo.__version__}.dist-info/METADATA")
    shown = MarkdownIt().render(str(Metadata.from_email(about).description))
    targets = set(re.findall(r'(?:href|src)="([^"]*)"', shown))
    assert len(targets) > 20
    assert {target for target in targets if not target.startswith(("https:", "http:"))} == set()


def test_a_readme_without_a_repository_has_no_dead_link() -> None:
    on_an_index = runpy.run_path(str(ROOT / "hatch_build.py"))["on_an_index"]
    text = "[![six](a.svg)](a.mp4), [a](docs/a.md#b), [c](https://c), [d](#d)"

    assert on_an_index(text, "") == "six, a, [c](https://c), [d](#d)"
