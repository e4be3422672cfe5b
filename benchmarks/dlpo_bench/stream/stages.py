"""What a dlpo server says of its own time, read from its page of figures before and after."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

PATIENCE_S = 5.0
AUDIO = "dlpo_audio_seconds_total"
QUEUE, STAGE = "dlpo_queue_wait_seconds", "dlpo_stage_seconds"

Page = Mapping[tuple[str, str], float]
"""(name of the sample, its stage or "") -> value"""


async def read_page(url: str) -> tuple[Page, str]:
    """The page's figures; and why there are none, if so."""
    try:
        timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as reply:
            if reply.status != 200:
                return {}, f"{url}: HTTP {reply.status}"
            text = await reply.text()
        page = {
            (sample.name, sample.labels.get("stage", "")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return {}, f"{url}: {type(error).__name__} {error}"
    if (AUDIO, "") not in page:
        return {}, f"{url} has no {AUDIO}: not the page of a dlpo server"
    return page, ""


def grown(before: Page, after: Page) -> Page:
    """What was added between two readings."""
    return {key: value - before.get(key, 0.0) for key, value in after.items()}


def stage_figures(page: Page) -> dict[str, float]:
    """What happened between two readings, by what was added to the page.

    Returns:
        `queue_ms`, the mean wait of a call for the engine, and for each stage
        `<stage>_ms_per_audio_s`, milliseconds of its lanes for each second of audio; nothing where
        no audio was made, or where the server began to count anew.
    """
    audio_s, waits = page.get((AUDIO, ""), 0.0), page.get((f"{QUEUE}_count", ""), 0.0)
    if audio_s <= 0 or waits <= 0:
        return {}
    costs = {
        f"{stage}_ms_per_audio_s": 1000 * value / audio_s
        for (name, stage), value in sorted(page.items())
        if name == f"{STAGE}_sum"
    }
    return {"queue_ms": 1000 * page[f"{QUEUE}_sum", ""] / waits, **costs}
