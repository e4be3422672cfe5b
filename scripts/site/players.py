"""Players for the sounds linked from a page; on a forge they remain links."""

from __future__ import annotations

import re

SOUND = re.compile(r'<a href="([^"]+\.mp3)">(.*?)</a>')
FILM = re.compile(r'<a href="([^"]+)\.mp4"><img alt="([^"]*)"[^>]*></a>')


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
