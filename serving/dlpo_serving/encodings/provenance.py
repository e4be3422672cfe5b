"""What a file says of its origin: IPTC's digital source type, in the metadata of its format.

WAV     LIST INFO and XMP chunks after the samples, once their number is known
MP3     an ID3v2.4 tag before the first frame, with XMP
FLAC    COMMENT and SOFTWARE of the Vorbis comments, as in Ogg Opus
"""

from __future__ import annotations

from dlpo.mark.stream import SOURCE_TYPE
from dlpo.version import __version__

GENERATOR = f"dlpo {__version__}"
_XMP = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">\
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""\
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"\
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" Iptc4xmpExt:DigitalSourceType="{source}"\
 xmp:CreatorTool="{tool}"/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>"""


def provenance(voice: str, mark: str) -> str:
    """What the metadata say: source type, generator, voice, and which keys mark it."""
    return f"DigitalSourceType={SOURCE_TYPE}; generator={GENERATOR}; voice={voice}; mark={mark}"


def wav_tail(about: str) -> bytes:
    """Chunks after the samples of a WAV file; empty if there is nothing to say."""
    if not about:
        return b""
    info = b"INFO" + _chunk(b"ISFT", GENERATOR.encode()) + _chunk(b"ICMT", about.encode())
    return _chunk(b"LIST", info) + _chunk(b"_PMX", _xmp())


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)


def id3_tag(about: str) -> bytes:
    """The tag before an MP3 stream; empty if there is nothing to say."""
    if not about:
        return b""
    utf8 = b"\3"
    frames = (
        _frame(b"TSSE", utf8 + GENERATOR.encode())
        + _frame(b"COMM", utf8 + b"eng\0" + about.encode())
        + _frame(b"PRIV", b"XMP\0" + _xmp())
    )
    return b"ID3\4\0\0" + _sevens(len(frames)) + frames


def id3_bytes(content: bytes) -> int:
    """Length of the tag that an MP3 stream begins with; 0 if there is none."""
    if not content.startswith(b"ID3"):
        return 0
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte
    return 10 + size


def _frame(name: bytes, content: bytes) -> bytes:
    return name + _sevens(len(content)) + bytes(2) + content


def _sevens(size: int) -> bytes:
    """ID3's 28 bits, seven a byte."""
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def _xmp() -> bytes:
    return _XMP.format(source=SOURCE_TYPE, tool=GENERATOR).encode()
