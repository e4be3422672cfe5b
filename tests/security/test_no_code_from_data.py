"""Nothing in our code turns data into code: no pickle, no eval, no shell. Read from its syntax."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNSAFE_MODULES = {
    "_pickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "pickle", "shelve",
}  # fmt: skip
UNSAFE_CALLS = {
    "eval", "exec", "compile", "os.popen", "os.system", "tempfile.mktemp", "yaml.full_load",
    "yaml.load", "yaml.unsafe_load", "builtins.eval", "builtins.exec",
}  # fmt: skip
SAFE_ONLY_WITH = {"torch.load": ("weights_only", True)}
UNSAFE_WITH = {"allow_pickle": False, "shell": False}
"""keyword -> the only value that it may have, in any call"""


def sources() -> list[Path]:
    """The Python files of the product and of its tools, not of its tests."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    ours = [ROOT / name for name in listed if not name.startswith("tests/")]
    return [path for path in ours if path.exists()]


def faults(code: str) -> Iterator[str]:
    """What a file does that could run what it reads."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        yield from (f"imports {name}" for name in names if name.split(".")[0] in UNSAFE_MODULES)
        if isinstance(node, ast.Call):
            yield from _faults_of_call(node)


def _faults_of_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in UNSAFE_CALLS:
        yield f"calls {name}"
    if name in SAFE_ONLY_WITH:
        keyword, wanted = SAFE_ONLY_WITH[name]
        if not _is(given.get(keyword), wanted):
            yield f"calls {name} without {keyword}={wanted}"
    for keyword, allowed in UNSAFE_WITH.items():
        if keyword in given and not _is(given[keyword], allowed):
            yield f"calls {name} with {keyword}"


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_no_file_runs_what_it_reads() -> None:
    found = {path: list(faults(path.read_text("utf-8"))) for path in sources()}

    assert {path: problems for path, problems in found.items() if problems} == {}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nnp.load(path, allow_pickle=wanted)",
        "import yaml\nyaml.load(text)",
        "eval(text)",
        "exec(text)",
        "import os\nos.system(text)",
        "import subprocess\nsubprocess.run(text, shell=True)",
    ],
)
def test_what_is_forbidden_is_found(code: str) -> None:
    assert list(faults(code))
