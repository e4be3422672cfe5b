"""Commands that speak: say, serve, phonemes. None of them needs torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dlpo.cli.options import Ca, Dictionary, Encrypted, Token, needs, read_dictionary
from dlpo.errors import InputError
from dlpo_serving.engines import EngineName, EnginePrecision

if TYPE_CHECKING:
    from dlpo.text import Sentence

Text = Annotated[str, typer.Argument(help="What to say; - reads it from standard input.")]
Engine = Annotated[EngineName, typer.Option(help="What computes: this CPU, or an NVIDIA GPU.")]
Precision = Annotated[
    EnginePrecision | None, typer.Option(help="Of the denoiser; the engine's own if left out.")
]

_UNREAD = {"ignore_unknown_options": True, "allow_extra_args": True}


def register(app: typer.Typer) -> None:
    app.command()(say)
    # The settings are the server's own: it reads flags as it reads its file and environment.
    app.command(context_settings=_UNREAD, add_help_option=False)(serve)
    app.command()(phonemes)


def say(
    text: Text,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write: .wav, .flac, .ogg, .opus, .mp3, .aac; - is standard output.",
        ),
    ] = None,
    play: Annotated[
        bool, typer.Option("--play", help="Play it as well; that is done anyway without --out.")
    ] = False,
    voice: Annotated[
        str | None,
        typer.Option(
            help="Name of a voice, or the path of a bundle; if left out, lj, or with --server the"
            " server's default."
        ),
    ] = None,
    speed: Annotated[float, typer.Option(help="2 takes half the time.")] = 1.0,
    pitch: Annotated[float, typer.Option(help="Shift, in semitones.")] = 0.0,
    volume: Annotated[float, typer.Option(help="Gain, in decibels.")] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same audio.")] = 0,
    steps: Annotated[
        int | None, typer.Option(help="Reverse steps; the voice's own number if left out.")
    ] = None,
    dictionary: Dictionary = None,
    ssml: Annotated[bool, typer.Option("--ssml", help="The text is an SSML document.")] = False,
    sample_rate: Annotated[
        int | None, typer.Option(help="Of the file, in Hz; the voice's own if left out.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            help="host:port of a `dlpo serve` that is to speak. Text from standard input is then"
            " spoken as it comes."
        ),
    ] = None,
    token: Token = None,
    tls: Encrypted = False,
    ca: Ca = None,
    engine: Engine = "cpu",
    precision: Precision = None,
) -> None:
    """Say a text: play it, write it to a sound file, or both."""
    from dlpo_serving.local.say import RemoteVoice
    from dlpo_serving.local.say import say as speak

    remote, source = None, None
    if server is not None:
        with needs("serve"):
            from dlpo_serving.client import Tls
            from dlpo_serving.local.say import typed_pieces

        remote = RemoteVoice(server, Tls(ca) if tls or ca else None, token)
        if text == "-" and not ssml:
            source = typed_pieces(sys.stdin.fileno())
    spoken = speak(
        source or _read(text),
        voice=voice,
        out=out,
        play=play or out is None,
        speed=speed,
        pitch_semitones=pitch,
        volume_db=volume,
        seed=seed,
        steps=steps,
        dictionary=read_dictionary(dictionary),
        ssml=ssml,
        sample_rate_hz=sample_rate,
        server=remote,
        engine=engine,
        precision=precision,
    )
    typer.echo(spoken, err=True)


def serve(context: typer.Context) -> None:
    """Stream speech over gRPC and HTTP until interrupted; --help lists its settings."""
    with needs("serve"):
        from dlpo_serving.__main__ import run
        from dlpo_serving.settings.sources import read_settings

    run(read_settings(context.args, "dlpo serve"))


def phonemes(text: Text, dictionary: Dictionary = None) -> None:
    """Print as JSON how a text will be spoken: its sentences, their words and phonemes."""
    from dlpo.text import TextFrontEnd

    processed = TextFrontEnd().process(_read(text), read_dictionary(dictionary))
    typer.echo("[\n" + ",\n".join(map(_as_json, processed.sentences)) + "\n]")


def _as_json(sentence: Sentence) -> str:
    words = (json.dumps({"word": w.word, "phonemes": w.phonemes}) for w in sentence.words)
    listed = ",\n    ".join(words)
    return f'  {{"normalized": {json.dumps(sentence.normalized)}, "words": [\n    {listed}\n  ]}}'


def _read(text: str) -> str:
    if text != "-":
        return text
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8 ({error.reason}); convert it") from error
