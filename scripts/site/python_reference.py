"""The Python API page: which names it shows; mkdocstrings reads their docstrings."""

from __future__ import annotations

from dlpo_serving import client

HEAD = """# Python

What programs may build on; other names change without notice. By example:
[Python client](../client.md), [bundles](../bundle.md), [SSML and text in pieces](../ssml.md).
Errors: [error codes](errors.md).
"""
OF_PROTOCOL = {"Flush": "[a message of the protocol](protocol.md#flush)"}
SECTIONS = {
    "In this process": [
        "dlpo_serving.voices.open_voice",
        "dlpo_serving.voices.synthesizer.Synthesizer",
        "dlpo_serving.request.SpeechRequest",
        "dlpo_serving.request.RequestError",
        "dlpo.audio.write_wav",
    ],
    "Through a server": [
        getattr(client, name).__module__ + f".{name}"
        for name in client.__all__
        if name not in {*OF_PROTOCOL, "SpeechRequest"}
    ],
    "Bundles": [
        "dlpo.bundle.load.Bundle",
        "dlpo.bundle.manifest.Manifest",
        "dlpo.bundle.write.write_bundle",
        "dlpo.bundle.write.copy_bundle",
    ],
    "Text": ["dlpo.text.common.front_end.TextFrontEnd", "dlpo.text.common.feed.TextFeed"],
}


def python_reference() -> str:
    """Markdown with a directive for each name."""
    parts = [HEAD]
    for title, names in SECTIONS.items():
        parts += [f"## {title}", *(f"::: {name}" for name in names)]
    others = [f"`{client.__name__}.{name}`: {what}." for name, what in OF_PROTOCOL.items()]
    return "\n\n".join([*parts, *others]) + "\n"
