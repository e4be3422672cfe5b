"""The command bench peers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlpo.cli.options import BundleName, Record, command_line, needs
from dlpo.errors import InputError


def peers(
    voice: BundleName = "lj",
    precision: Annotated[str, typer.Option(help="Of its denoiser, on cpu.")] = "int8",
    peer: Annotated[
        list[str] | None,
        typer.Option(help="dlpo-whole, piper, espeak-ng or flite; repeatable. All if left out."),
    ] = None,
    piper_voice: Annotated[
        Path | None,
        typer.Option(help="A trained Piper voice (.onnx, its .json beside it), not a random one."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=2, help="Turns of each with each text.")] = 15,
    core: Annotated[
        int | None, typer.Option(help="That all run on; the last one if left out.")
    ] = None,
    install: Annotated[
        str | None,
        typer.Option(help="Only install this peer, such as piper, into ~/.cache/dlpo/peers."),
    ] = None,
    record: Record = False,
) -> None:
    """Compare a voice with other speech engines, in turns on one core.

    A peer that is not installed is skipped, and its reason is told.
    """
    with needs("bench"):
        from dlpo_bench.machine import usable_core
        from dlpo_bench.peers.comparison import (
            ESPEAK,
            FLITE,
            PeersOptions,
            WholeSentences,
            measure_peers,
            own_voice,
        )
        from dlpo_bench.peers.piper import Piper, install_piper, peers_cache
    from dlpo_bench.record import check_recordable, write_record
    from dlpo_bench.report.speed import peers_blocks
    from dlpo_bench.tables import show

    def tell(line: str) -> None:
        typer.echo(line, err=True)

    piper = Piper(peers_cache() / "piper", piper_voice)
    if install is not None:
        if install != piper.name:
            raise InputError(f"can't install {install!r}; piper is what can be installed")
        install_piper(piper.home, tell)
        return
    if record:
        check_recordable()
    known = {one.name: one for one in (WholeSentences(voice, precision), piper, ESPEAK, FLITE)}
    unknown = [name for name in peer or () if name not in known]
    if unknown:
        raise InputError(f"no peer {unknown[0]!r}; expected one of {', '.join(known)}")
    with needs("serve"):
        from dlpo_serving.voices import find_voice
    from dlpo.bundle import Bundle

    bundle = Bundle.load(find_voice(voice))
    measured = measure_peers(
        own_voice(voice, precision),
        [known[name] for name in dict.fromkeys(peer or known)],
        PeersOptions(rounds, usable_core(core)),
        tell,
    )
    show(peers_blocks(measured.figures))
    for warning in measured.problems:
        tell(f"warning: {warning}")
    if record:
        command = command_line()
        path = write_record(
            "peers", measured.figures, command, samples=measured.samples,
            bundle_sha256=bundle.sha256,
        )  # fmt: skip
        typer.echo(path)
