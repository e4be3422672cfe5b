"""Commands that speak: say, serve, phonemes. None of them needs torch."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand
from typer.main import get_command

from dlpo.bundle import DEFAULT_VOICE
from dlpo.config.fields import flag_of, parts_of
from dlpo.errors import InputError, needs
from dlpo.mark import PUBLIC, NoiseMark, read_key
from dlpo.text.common.dictionary_file import read_dictionary
from dlpo.text.common.reading import ReadingOptions
from dlpo_cli.commands import Given, OfFields, UsageProblem, of_fields, with_parameters
from dlpo_cli.options import Ca, Dictionary, Encrypted, Token, connection_to, is_quiet
from dlpo_serving.engines import EngineName, EnginePrecision
from dlpo_serving.request import SpeechRequest

if TYPE_CHECKING:
    from dlpo.text import Sentence
    from dlpo.v1.speech_pb2 import Flush
    from dlpo_serving.client.connection import Connection
    from dlpo_serving.local.say import InProcess

Text = Annotated[str, typer.Argument(help="Text to speak; - reads standard input.")]
Engine = Annotated[EngineName, typer.Option(help="Runtime to use, on the CPU or a GPU.")]
OnOff = Literal["on", "off"]
Precision = Annotated[
    EnginePrecision | None, typer.Option(help="Denoiser precision; by default, the engine's.")
]

_FILE_NAME = re.compile(r"(?!\w+://)\S+\.(txt|md|rst|html?|ssml|xml|srt|pdf|docx?)")
_UNREAD = {"ignore_unknown_options": True, "allow_extra_args": True}
_FLAGS = {"text": "TEXT", "encoding": "--out", "sample_rate_hz": "--sample-rate"}
_begun = time.monotonic()


class _OfText(OfFields):
    """Adds hints to usage errors that a text on the command line often causes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except UsageProblem as error:
            if "unexpected extra argument" in error.message:
                error.message += f'; put the text in quotes: {ctx.command_path} "hello there"'
            elif not getattr(error, "option_name", "--").startswith("--"):
                error.message += f"; to say it, put -- first: {ctx.command_path} -- '-5 degrees'"
            raise


class _OfServe(TyperCommand):
    """Shows the settings as help; the server reads them itself."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        with needs("serve"):
            from dlpo_serving.settings.sources import settings_parser

        parser = settings_parser("dlpo serve")
        parameters = []
        for group in parser._action_groups:
            for action in group._group_actions:
                if action.dest != "help":
                    option = typer.Option(
                        *action.option_strings,
                        help=(action.help or "").replace("%%", "%"),
                        metavar="" if action.nargs == 0 else str(action.metavar),
                        rich_help_panel=group.title,
                    )
                    bare = bool if action.nargs == 0 else str
                    said = {"default": None, "annotation": Annotated[bare, option]}
                    parameters.append(Parameter(action.dest, Parameter.KEYWORD_ONLY, **said))
        shown = typer.Typer(add_completion=False)
        shown.command(help=parser.description, epilog=parser.epilog)(
            with_parameters(lambda **_: None, parameters)
        )
        get_command(shown).format_help(ctx, formatter)


def register(app: typer.Typer) -> None:
    app.command(cls=_OfText)(of_fields(say))
    # The settings are the server's own: it reads flags as it reads its file and environment.
    app.command(cls=_OfServe, context_settings=_UNREAD)(serve)
    app.command(cls=_OfText)(phonemes)


def say(
    *,
    text: Annotated[
        str | None, typer.Argument(help="Text to speak; - reads standard input.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Speak this file: text or Markdown, UTF-8.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Output file: .wav, .flac, .ogg, .opus, .mp3 or .aac; - is standard output.",
        ),
    ] = None,
    srt: Annotated[
        Path | None,
        typer.Option(help="Speak these subtitles, each in its time: .srt or .vtt."),
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(help="Also write captions: a file .srt, .vtt or .json.")
    ] = None,
    play: Annotated[bool, typer.Option("--play", help="With --out, also play it.")] = False,
    voice: Annotated[
        str | None,
        typer.Option(
            "--voice",
            "-v",
            help=f"Voice name or bundle path; by default {DEFAULT_VOICE}, or the first that speaks"
            " the text's language.",
        ),
    ] = None,
    speech: Annotated[dict[str, Any], Given(SpeechRequest, defaults=True)],
    dictionary: Dictionary = None,
    sample_rate: Annotated[
        int | None, typer.Option(help="Sample rate of the file in Hz; by default, the voice's.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            help="Use the `dlpo serve` at host:port; it speaks standard input as it arrives."
        ),
    ] = None,
    token: Token = None,
    tls: Encrypted = False,
    ca: Ca = None,
    engine: Engine = "cpu",
    precision: Precision = None,
    mark: Annotated[
        OnOff, typer.Option(help="Whether speech has dlpo's inaudible mark; off for research.")
    ] = "on",
    mark_key: Annotated[
        Path | None, typer.Option(help="File of a key of your own, to mark with beside dlpo's.")
    ] = None,
    mark_message: Annotated[
        int, typer.Option(min=0, max=65_535, help="Number that the mark carries.")
    ] = 0,
) -> None:
    """Speak a text: play it, write it to an audio file, or both."""
    from dlpo_serving.local.say import InProcess, Written
    from dlpo_serving.local.say import say as speak
    from dlpo_serving.local.subtitles import Cue, cues_of

    cues: list[Cue] = []
    if srt and not (text or file or captions):
        cues, text = cues_of(_file_text(srt)), ""
    else:
        text = _text_of(text, file, srt)
    signs = NoiseMark(read_key(mark_key), mark_message) if mark == "on" else None
    here = InProcess(engine, precision, signs)
    where: Connection | InProcess = here
    pieces = None
    if server is not None:
        where = _connection(server, tls, ca, token, here)
        pieces = _typed() if text == "-" and not (speech.get("ssml") or captions) else None
    speech |= {"text": "" if pieces else _read(text), "dictionary": read_dictionary(dictionary)}
    with _flags_named():
        request = SpeechRequest(**speech)
        spoken = speak(
            request, pieces, voice=voice, out=Written(out, sample_rate, captions),
            play=Path() if play or out is None else None, cues=cues, where=where,
            progress=_show_progress if sys.stderr.isatty() and not is_quiet() else None,
        )  # fmt: skip
    _warn(spoken.warnings)
    if not is_quiet():
        typer.echo(spoken, err=True)


def _connection(
    server: str, tls: bool, ca: Path | None, token: str | None, here: InProcess
) -> Connection:
    """The connection to a server, which takes none of the settings of this process."""
    if here.mark != PUBLIC:
        raise InputError(f"{server} marks its speech itself; leave out the options of the mark")
    if (here.engine, here.precision) != ("cpu", None):
        raise InputError(
            f"engine is {here.engine} and precision {here.precision}, but {server} uses its own;"
            " leave both out"
        )
    with needs("serve"):
        return connection_to(server, tls, ca, token)


def _typed() -> Iterator[str | Flush]:
    """Standard input as it arrives."""
    from dlpo_serving.local.say import typed_pieces

    return typed_pieces(sys.stdin.fileno())


def _text_of(text: str | None, file: Path | None, srt: Path | None) -> str:
    """The text to speak, or - for standard input; warns of a text that is a file's name."""
    if srt:
        message = "is given beside a text, --file or --captions; leave one of them out"
        raise typer.BadParameter(message, param_hint="'--srt'")
    if (text is None) == (file is None):
        given = "both a text and --file" if file else "neither a text nor --file"
        raise typer.BadParameter(f"got {given}; expected one of them", param_hint="TEXT")
    if file is not None:
        return _file_text(file)
    assert text is not None  # see above
    if _names_a_file(text):
        _warn([f"this speaks the name of a file; to speak the file: dlpo say --file {text}"])
    return text


def _names_a_file(text: str) -> bool:
    """Whether a text is the path of a file, or looks like one."""
    if _FILE_NAME.fullmatch(text):
        return True
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a null character
        return False


def _file_text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file} is not text in UTF-8 ({error.reason}); convert it to a text file first"
        ) from error
    except OSError as error:
        raise InputError(f"can't read {file}: {error.strerror}; check the path") from error


def _warn(warnings: Iterable[str]) -> None:
    for warning in () if is_quiet() else warnings:
        typer.echo(f"warning: {warning}", err=True)


@contextmanager
def _flags_named() -> Iterator[None]:
    """Turn a value that the voice can't take into a usage error that names its flag."""
    from dlpo_serving.errors import RequestError

    try:
        yield
    except RequestError as error:
        first, *others = error.violations
        message = "; ".join([first.message, *(f"{_flag(v.field)}: {v.message}" for v in others)])
        raise typer.BadParameter(message, param_hint=f"'{_flag(first.field)}'") from error


def _flag(field: str) -> str:
    known = field in parts_of(SpeechRequest) and field not in _FLAGS
    return flag_of(SpeechRequest, field) if known else _FLAGS.get(field, f"--{field}")


def _show_progress(audio_s: float, share: float) -> None:
    """Show progress on one line that is overwritten, once speaking has taken two seconds."""
    spent_s = time.monotonic() - _begun
    if spent_s > 2:
        left = f", about {spent_s / share - spent_s:.0f} s left" if share else ""
        typer.echo(f"\r{audio_s:.0f} s of speech{left}\x1b[K\r", err=True, nl=False)


def serve(context: typer.Context) -> None:
    """Stream speech over gRPC and HTTP until interrupted."""
    with needs("serve"):
        from dlpo_serving.settings.sources import read_settings

    settings = read_settings(context.args, "dlpo serve")
    if settings.ray:
        from dlpo_serving.ray.cluster import serve_on_ray

        serve_on_ray(settings)
    else:
        from dlpo_serving.server import serve as serve_here  # late, for a quick --help

        serve_here(settings)


def phonemes(
    text: Text,
    dictionary: Dictionary = None,
    language: Annotated[str, typer.Option(help="Language of the text, such as es.")] = "en-US",
    why: Annotated[
        bool, typer.Option("--why", help="Also print what read each word and ended each sentence.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON with --why, too; without it all is JSON.")
    ] = False,
) -> None:
    """Print how a text will be spoken, as JSON: its sentences, words and phonemes."""
    from dlpo.text import TextFrontEnd
    from dlpo.text.common.trace import Trace

    trace = Trace() if why else None
    front_end = TextFrontEnd(language=language)
    processed = front_end.process(
        _read(text), read_dictionary(dictionary), ReadingOptions(trace=trace)
    )
    _warn(processed.warnings)
    traced = trace.sentences if trace else []
    if traced and not as_json:
        typer.echo("\n\n".join(map(str, traced)))
    else:
        rows = map(_json, map(asdict, traced)) if traced else map(_as_json, processed.sentences)
        typer.echo("[\n" + ",\n".join(rows) + "\n]")


def _as_json(sentence: Sentence) -> str:
    words = (_json({"word": w.word, "phonemes": w.phonemes}) for w in sentence.words)
    listed = ",\n    ".join(words)
    return f'  {{"normalized": {_json(sentence.normalized)}, "words": [\n    {listed}\n  ]}}'


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _read(text: str) -> str:
    if text != "-":
        return text
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8 ({error.reason}); convert it") from error
