"""The files of the page, as they are sent; what they do is tested in a browser."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest

FILES = list(resources.files("dlpo_serving.http").joinpath("page").iterdir())
PATHS = ["/" if file.name == "index.html" else f"/page/{file.name}" for file in FILES]


@pytest.mark.parametrize("path", PATHS)
def test_each_file_is_sent_with_a_strict_policy(client: Any, door: Any, path: str) -> None:
    response = client.get(door, path)

    assert response.status == 200
    policy = dict(
        rule.strip().split(" ", 1)
        for rule in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    allowed = {source for sources in policy.values() for source in sources.split()}
    assert allowed == {"'none'", "'self'"}  # nothing inline, nothing of other hosts
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_that_has_not_changed_is_not_sent_again(client: Any, door: Any) -> None:
    tag = client.get(door, "/").headers["ETag"]

    again = client.get(door, "/", **{"If-None-Match": tag})
    changed = client.get(door, "/", **{"If-None-Match": '"other"'})

    assert (again.status, again.read()) == (304, b"")
    assert changed.status == 200


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_names_another_host(file: Any) -> None:
    addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", file.read_text(encoding="utf-8"))

    assert [a for a in addresses if a != "http://www.w3.org/2000/svg"] == []


def test_the_page_holds_no_inline_script_or_style() -> None:
    (index,) = [file for file in FILES if file.name == "index.html"]
    html = index.read_text(encoding="utf-8")

    assert re.findall(r"<script(?![^>]*\bsrc=)", html) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", html) == []
