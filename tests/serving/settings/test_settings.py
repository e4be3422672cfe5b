"""Where settings are read from, which source goes first, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from dlpo.config.fields import flag_of, taken_apart
from dlpo.errors import ConfigError
from dlpo_serving.settings.server_settings import ServerSettings, address
from dlpo_serving.settings.sources import KINDS, read_settings

BESIDE = {  # that a setting needs to be allowed
    "tls_certificate": ["tls_key"],
    "tls_key": ["tls_certificate"],
    "tls_client_ca": ["tls_certificate", "tls_key"],
}


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KINDS:
        monkeypatch.delenv(f"DLPO_{name.upper()}", raising=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "dlpo.toml"


def test_flags_override_environment_overrides_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("grace_s = 1\nmax_streams = 1\nmax_characters = 1\n")
    monkeypatch.setenv("DLPO_GRACE_S", "2")
    monkeypatch.setenv("DLPO_MAX_STREAMS", "2")

    settings = read_settings(["--config", str(config), "--grace-s", "3"])

    assert (settings.grace_s, settings.max_streams, settings.max_characters) == (3, 2, 1)
    monkeypatch.setenv("DLPO_CONFIG", str(config))
    assert read_settings(["--grace-s", "3"]) == settings


def other_than_default(name: str) -> tuple[str, Any]:
    """A value that differs from a setting's default, as text and as it is."""
    kind = taken_apart(KINDS[name])[0]
    if get_origin(kind) is tuple:
        text = "https://an=other"  # a name, an origin, a pair
        return text, (text,)
    if choices := get_args(kind):
        return choices[-1], choices[-1]
    if kind is bool:
        return ("false", False) if getattr(ServerSettings(), name) else ("true", True)
    of_kind = {int: 9, float: 0.5, Path: Path("p"), str: "text"}
    return str(of_kind[kind]), of_kind[kind]


@pytest.mark.parametrize("name", [name for name in KINDS if name != "config"])
def test_every_setting_has_flag_variable_and_key(
    name: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags, lines = [], []
    names = [name, *BESIDE.get(name, [])]
    for each in names:
        flag = flag_of(ServerSettings, each)
        text, value = other_than_default(each)
        if isinstance(value, bool):
            flags.append(flag if value else "--no-" + flag.removeprefix("--"))
        else:
            flags += [flag, text]
        quoted = text if isinstance(value, bool | int | float) else f'"{text}"'
        lines.append(f"{each} = [{quoted}]" if isinstance(value, tuple) else f"{each} = {quoted}")
    config.write_text("\n".join(lines))
    expected = {each: other_than_default(each)[1] for each in names}
    assert getattr(ServerSettings(), name) != expected[name]

    by_flag = read_settings(flags)
    by_file = read_settings(["--config", str(config)])
    for each in names:
        monkeypatch.setenv(f"DLPO_{each.upper()}", other_than_default(each)[0])
    by_variable = read_settings([])

    for settings in (by_flag, by_variable, by_file):
        assert {each: getattr(settings, each) for each in names} == expected


def test_several_voices_are_flags_commas_or_a_list(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('voices = ["a", "b"]')

    assert read_settings(["--config", str(config)]).voices == ("a", "b")
    assert read_settings(["--voice", "a", "--voice", "b"]).voices == ("a", "b")
    monkeypatch.setenv("DLPO_VOICES", "a, b")
    assert read_settings([]).voices == ("a", "b")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('cors_origins = ["foo"]', "expected origins such as https://app.example"),
        ('cors_origins = ["https://a.example/"]', "expected origins such as"),
        ("max_strems = 3", "unknown key 'max_strems'; did you mean 'max_streams'"),
        ("port = 'x'", r"port is 'x' \(config file .*\); expected a whole number"),
        ("grace_s = nan", "grace_s is nan"),
        ("engine = 'abacus'", "engine is 'abacus' .* expected one of 'cpu'"),
        ("voices = []", "nothing to speak with"),
        ("tls_key = 'k.pem'", "belong together"),
        ("wyoming_port = 1\nkeys_file = 'k.toml'", "wyoming_port can't be guarded"),
        ("tls_client_ca = 'ca.pem'", "needs tls_certificate and tls_key"),
        ("http_port = 50051", "port and http_port are both 50051"),
        ("config = 'other.toml'", "can't name another one"),
        ("[server]\nport = 1", "unknown key 'server'"),
        ("port = ", "can't be read"),
        (None, r"dlpo\.toml can't be read"),
        *((f"host = '{host}'", "expected an address") for host in ("unix:/tmp/x", "", "/tmp/x")),
    ],
)
def test_file_mistake_says_got_and_expected(text: str | None, complaint: str, config: Path) -> None:
    if text is not None:
        config.write_text(text)

    with pytest.raises(ConfigError, match=complaint):
        read_settings(["--config", str(config)])


# No guessing from "--max-str": it would change its meaning with the next setting.
@pytest.mark.parametrize("arguments", [["--prot", "1"], ["--max-str", "3"], ["stray"]])
def test_wrong_usage_ends_with_2_and_names_the_mistake(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read_settings(arguments)

    assert caught.value.code == 2
    assert "unrecognized arguments: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["host", "http_host", "health_host"])
@pytest.mark.parametrize("written", ["::1", "[::1]"])
def test_an_ipv6_address_is_written_alike_for_every_port(name: str, written: str) -> None:
    settings = ServerSettings(**{name: written})  # type: ignore[arg-type]
    assert address(getattr(settings, name), 80) == "[::1]:80"


def test_a_variable_that_kubernetes_set_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLPO_PORT", "tcp://10.0.0.1:50051")

    with pytest.raises(ConfigError, match="enableServiceLinks: false"):
        read_settings([])
