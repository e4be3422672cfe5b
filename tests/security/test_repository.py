"""No tracked file holds a secret, names a private package index, or turns data into code."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from detect_secrets.core.plugins.initialize import from_plugin_classname

ROOT = Path(__file__).resolve().parents[2]
# Not those that take any text of high entropy for a secret: manifests and records are full of
# sha256s. Keywords (`password = …`) find the names of our own variables.
DETECTORS = (
    "ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector",
    "CloudantDetector", "DiscordBotTokenDetector", "GitHubTokenDetector", "GitLabTokenDetector",
    "IbmCloudIamDetector", "JwtTokenDetector", "MailchimpDetector", "NpmDetector",
    "OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector",
    "SlackDetector", "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
BINARY = {".bin", ".binpb", ".mp3", ".mp4", ".npz", ".onnx", ".png", ".safetensors", ".wav", ".xz"}
MADE_UP = {"tests/security/test_repository.py"}  # those that this test plants
INDEX = re.compile(r"--(?:extra-)?index-url[= ]+https?://([\w.-]+)")
PUBLIC = {"pypi.org", "pypi.nvidia.com", "download.pytorch.org"}
# As `dlpo keys new` prints them: 32 random bytes have a digit and a capital, names of tests don't.
OUR_TOKEN = re.compile(r"dlpo_(?=\S*\d)(?=\S*[A-Z])[A-Za-z0-9_-]{43}")


def tracked() -> list[str]:
    """The text files that git knows of."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return [
        name
        for name in listed
        if name
        and Path(name).suffix not in BINARY
        and name not in MADE_UP
        and (ROOT / name).exists()
    ]


def secrets_in(text: str) -> list[str]:
    """What the detectors' patterns find; detect-secrets' own walk takes minutes for records."""
    return [
        plugin.secret_type
        for plugin in map(from_plugin_classname, DETECTORS)
        if any(pattern.search(text) for pattern in plugin.denylist)
    ]


def test_no_tracked_file_holds_a_secret() -> None:
    texts = {name: (ROOT / name).read_text("utf-8", "replace") for name in tracked()}

    assert {name: found for name, text in texts.items() if (found := secrets_in(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIE\n",
        "url = 'https://user:" + "hunter2secret@example.com/simple'\n",
        "key = 'AKIA" + "IOSFODNN7EXAMPLF'\n",
        "token = 'ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789'\n",
    ],
)
def test_a_secret_that_is_planted_is_found(text: str) -> None:
    assert secrets_in(text)


def test_no_file_holds_a_token_or_a_private_index() -> None:
    faults = []
    for name in tracked():
        text = (ROOT / name).read_text("utf-8", "replace")
        faults += [f"{name}: {host}" for host in INDEX.findall(text) if host not in PUBLIC]
        faults += [f"{name}: a token" for _ in OUR_TOKEN.findall(text)]

    assert faults == []


def faults(code: str) -> Iterator[str]:
    """Calls that could unpickle what they read."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            named = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if named.get("allow_pickle", "False") != "False":
                yield ast.unparse(node)
            if ast.unparse(node.func) == "torch.load" and named.get("weights_only") != "True":
                yield ast.unparse(node)


def test_no_file_runs_what_it_reads() -> None:
    command = ["git", "grep", "-lE", r"torch\.load|allow_pickle", "--", "*.py", ":!tests"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = {name: list(faults((ROOT / name).read_text())) for name in listed.stdout.split()}

    for forbidden in (
        "torch.load(x)",
        "torch.load(x, weights_only=False)",
        "load(x, allow_pickle=y)",
    ):
        assert list(faults(forbidden))
    assert found
    assert {name: calls for name, calls in found.items() if calls} == {}
