"""Players for the sounds linked from a page; on a forge they remain links."""

from __future__ import annotations

import re
from pathlib import Path

SOUND = re.compile(r'<a href="([^"]+\.mp3)">(.*?)</a>')
FILM = re.compile(r'<a href="([^"]+)\.mp4"><img alt="([^"]*)"[^>]*></a>')
CLIP = re.compile(r"^<!-- recording: ([\w-]+) -->$", re.MULTILINE)


def with_players(html: str) -> str:
    """A page with a player after each link to an MP3 file, and in place of a picture's to an MP4.

    A film has its captions beside it, in a file of the same name.
    """
    html = FILM.sub(
        r'<video controls preload="metadata" src="\1.mp4" aria-label="\2">'
        r'<track kind="captions" srclang="en" label="English" src="\1.vtt" default></video>',
        html,
    )
    return SOUND.sub(
        r'<span class="sound">\2<audio controls preload="metadata" src="\1"></audio></span>', html
    )


def with_recordings(markdown: str, sounds: Path) -> str:
    """The samples page with the recordings on this machine, which are not in git.

    `python scripts/samples.py recordings` makes them from the reader's own corpus.
    """

    def shown(clip: re.Match[str]) -> str:
        name = f"recording-{clip[1]}.mp3"
        return f"- [recording](samples/{name})" if (sounds / name).exists() else clip[0]

    return CLIP.sub(shown, markdown)
