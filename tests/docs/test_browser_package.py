"""dlpo-web, the npm package of the page's engine: typed, installed as users do, and heard."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.browsing import Page
from tests.callers import node_modules
from tests.static_site import StaticSite

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "deploy/web"
MOST_LINES = 600  # of JavaScript that speaks
MOST_OF_DETECTOR = 225
DETECTOR = ("mark", "detect", "detector")
USER = """
import { Voice } from "dlpo-web";
import { Player } from "dlpo-web/player";
import { wav } from "dlpo-web/wav";
const voice: Voice = await Voice.load();
const player = await Player.open(voice.rate);
const pieces: Float32Array[] = [];
for await (const chunk of voice.stream("Hello.", { voice: voice.names[1], speed: 1.5 })) {
  player.push(chunk.samples);
  pieces.push(chunk.samples);
  const begins: number | undefined = chunk.words[0]?.start;
}
const file: Blob = wav(pieces, voice.rate);
// @ts-expect-error
voice.stream("Hello.", { speed: "fast" });
"""
SPEAK = """
const done = arguments[0];
const { Voice } = await import("/node_modules/dlpo-web/voice.js");
const voice = await Voice.load();
let samples = 0;
for await (const chunk of voice.stream("It speaks.", { voice: "nova" })) {
  samples += chunk.samples.length;
}
voice.close();
done(samples / voice.rate);
"""


@pytest.fixture(scope="module")
def modules() -> Path:
    """Packages of npm, with TypeScript."""
    if not shutil.which("npm"):
        pytest.skip("there is no npm")
    return node_modules("typescript")


def tsc(folder: Path, modules: Path, *options: str) -> str:
    """What TypeScript complains of."""
    program = ["node", modules / "typescript/bin/tsc", *options]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, modules: Path) -> Path:
    """A project that has the packed package."""
    folder = tmp_path_factory.mktemp("package")
    environment = {**os.environ, "NODE_MODULES": str(modules)}
    made = [ROOT / "scripts/browser-page", folder, "--package"]
    subprocess.run(made, check=True, env=environment)
    (archive,) = folder.glob("dlpo-web-*.tgz")
    (folder / "package.json").write_text("{}")
    install = ["npm", "install", "--offline", "--no-audit", "--no-fund", str(archive)]
    subprocess.run(install, check=True, cwd=folder)
    return folder


@pytest.mark.full
def test_the_javascript_has_the_types_it_says(modules: Path, tmp_path: Path) -> None:
    folder = tmp_path / "browser"
    shutil.copytree(SOURCE, folder)
    (folder / "node_modules").symlink_to(modules)
    assert tsc(folder, modules) == ""
    noise = folder / "noise.js"
    noise.write_text(noise.read_text().replace("seed >>> 0", "`${seed}`"))
    assert "noise.js" in tsc(folder, modules)


def test_the_javascript_stays_small() -> None:
    lines = {file.stem: len(file.read_text().splitlines()) for file in SOURCE.glob("*.js")}
    assert sum(lines[name] for name in DETECTOR) <= MOST_OF_DETECTOR
    assert sum(count for name, count in lines.items() if name not in DETECTOR) <= MOST_LINES


@pytest.mark.full
def test_a_typescript_program_can_use_the_package(installed: Path, modules: Path) -> None:
    (installed / "user.mts").write_text(USER)
    options = (
        "--noEmit --strict --target es2023 --module nodenext --lib es2023,dom,dom.asynciterable"
    )
    assert tsc(installed, modules, *options.split(), "user.mts") == ""


def test_the_installed_package_speaks(installed: Path, browser: Chrome) -> None:
    (installed / "index.html").write_text("<!doctype html><title>dlpo-web</title>")
    with StaticSite(installed) as site:
        page = Page(browser, site.url)
        browser.set_script_timeout(240)
        assert 0.5 < page.browser.execute_async_script(SPEAK) < 3
