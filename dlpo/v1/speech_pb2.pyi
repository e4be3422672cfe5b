from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AudioEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_ENCODING_UNSPECIFIED: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_LINEAR_PCM_S16: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_LINEAR_PCM_F32: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_WAV: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_FLAC: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_OGG_OPUS: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_MP3: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_MULAW: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_ALAW: _ClassVar[AudioEncoding]
    AUDIO_ENCODING_AAC: _ClassVar[AudioEncoding]

class TimeDetail(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TIME_DETAIL_UNSPECIFIED: _ClassVar[TimeDetail]
    TIME_DETAIL_NONE: _ClassVar[TimeDetail]
    TIME_DETAIL_WORDS: _ClassVar[TimeDetail]
    TIME_DETAIL_PHONEMES: _ClassVar[TimeDetail]

class CodeReading(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CODE_READING_UNSPECIFIED: _ClassVar[CodeReading]
    CODE_READING_ANNOUNCE: _ClassVar[CodeReading]
    CODE_READING_SPEAK: _ClassVar[CodeReading]
    CODE_READING_SKIP: _ClassVar[CodeReading]

class EmojiReading(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EMOJI_READING_UNSPECIFIED: _ClassVar[EmojiReading]
    EMOJI_READING_SKIP: _ClassVar[EmojiReading]
    EMOJI_READING_NAME: _ClassVar[EmojiReading]
AUDIO_ENCODING_UNSPECIFIED: AudioEncoding
AUDIO_ENCODING_LINEAR_PCM_S16: AudioEncoding
AUDIO_ENCODING_LINEAR_PCM_F32: AudioEncoding
AUDIO_ENCODING_WAV: AudioEncoding
AUDIO_ENCODING_FLAC: AudioEncoding
AUDIO_ENCODING_OGG_OPUS: AudioEncoding
AUDIO_ENCODING_MP3: AudioEncoding
AUDIO_ENCODING_MULAW: AudioEncoding
AUDIO_ENCODING_ALAW: AudioEncoding
AUDIO_ENCODING_AAC: AudioEncoding
TIME_DETAIL_UNSPECIFIED: TimeDetail
TIME_DETAIL_NONE: TimeDetail
TIME_DETAIL_WORDS: TimeDetail
TIME_DETAIL_PHONEMES: TimeDetail
CODE_READING_UNSPECIFIED: CodeReading
CODE_READING_ANNOUNCE: CodeReading
CODE_READING_SPEAK: CodeReading
CODE_READING_SKIP: CodeReading
EMOJI_READING_UNSPECIFIED: EmojiReading
EMOJI_READING_SKIP: EmojiReading
EMOJI_READING_NAME: EmojiReading

class SynthesisConfig(_message.Message):
    __slots__ = ("voice", "speed", "pitch_semitones", "seed", "steps", "dictionary", "encoding", "sample_rate_hz", "volume_db", "time_detail", "code", "emoji", "language", "dates", "directions", "ssml", "sentence_pause_s", "paragraph_pause_s", "lead_in_s", "first_audio_ms", "duration_s")
    class DictionaryEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VOICE_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    PITCH_SEMITONES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    DICTIONARY_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    VOLUME_DB_FIELD_NUMBER: _ClassVar[int]
    TIME_DETAIL_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    EMOJI_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    DATES_FIELD_NUMBER: _ClassVar[int]
    DIRECTIONS_FIELD_NUMBER: _ClassVar[int]
    SSML_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_PAUSE_S_FIELD_NUMBER: _ClassVar[int]
    PARAGRAPH_PAUSE_S_FIELD_NUMBER: _ClassVar[int]
    LEAD_IN_S_FIELD_NUMBER: _ClassVar[int]
    FIRST_AUDIO_MS_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    voice: str
    speed: float
    pitch_semitones: float
    seed: int
    steps: int
    dictionary: _containers.ScalarMap[str, str]
    encoding: AudioEncoding
    sample_rate_hz: int
    volume_db: float
    time_detail: TimeDetail
    code: CodeReading
    emoji: EmojiReading
    language: str
    dates: str
    directions: bool
    ssml: str
    sentence_pause_s: float
    paragraph_pause_s: float
    lead_in_s: float
    first_audio_ms: float
    duration_s: float
    def __init__(self, voice: _Optional[str] = ..., speed: _Optional[float] = ..., pitch_semitones: _Optional[float] = ..., seed: _Optional[int] = ..., steps: _Optional[int] = ..., dictionary: _Optional[_Mapping[str, str]] = ..., encoding: _Optional[_Union[AudioEncoding, str]] = ..., sample_rate_hz: _Optional[int] = ..., volume_db: _Optional[float] = ..., time_detail: _Optional[_Union[TimeDetail, str]] = ..., code: _Optional[_Union[CodeReading, str]] = ..., emoji: _Optional[_Union[EmojiReading, str]] = ..., language: _Optional[str] = ..., dates: _Optional[str] = ..., directions: bool = ..., ssml: _Optional[str] = ..., sentence_pause_s: _Optional[float] = ..., paragraph_pause_s: _Optional[float] = ..., lead_in_s: _Optional[float] = ..., first_audio_ms: _Optional[float] = ..., duration_s: _Optional[float] = ...) -> None: ...

class AudioFormat(_message.Message):
    __slots__ = ("encoding", "sample_rate_hz")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    encoding: AudioEncoding
    sample_rate_hz: int
    def __init__(self, encoding: _Optional[_Union[AudioEncoding, str]] = ..., sample_rate_hz: _Optional[int] = ...) -> None: ...

class SpeechInfo(_message.Message):
    __slots__ = ("format", "voice", "processed_text", "dropped_characters", "warnings")
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    VOICE_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_TEXT_FIELD_NUMBER: _ClassVar[int]
    DROPPED_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    format: AudioFormat
    voice: str
    processed_text: str
    dropped_characters: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, format: _Optional[_Union[AudioFormat, _Mapping]] = ..., voice: _Optional[str] = ..., processed_text: _Optional[str] = ..., dropped_characters: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class SpeechTotals(_message.Message):
    __slots__ = ("samples", "audio_s", "steps", "seed", "processed_text", "dropped_characters", "warnings")
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    AUDIO_S_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_TEXT_FIELD_NUMBER: _ClassVar[int]
    DROPPED_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    samples: int
    audio_s: float
    steps: int
    seed: int
    processed_text: str
    dropped_characters: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, samples: _Optional[int] = ..., audio_s: _Optional[float] = ..., steps: _Optional[int] = ..., seed: _Optional[int] = ..., processed_text: _Optional[str] = ..., dropped_characters: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class WordTime(_message.Message):
    __slots__ = ("word", "start_s", "end_s", "start_sample", "end_sample", "text_start", "text_end", "phonemes")
    WORD_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    END_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    TEXT_START_FIELD_NUMBER: _ClassVar[int]
    TEXT_END_FIELD_NUMBER: _ClassVar[int]
    PHONEMES_FIELD_NUMBER: _ClassVar[int]
    word: str
    start_s: float
    end_s: float
    start_sample: int
    end_sample: int
    text_start: int
    text_end: int
    phonemes: _containers.RepeatedCompositeFieldContainer[PhonemeTime]
    def __init__(self, word: _Optional[str] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., start_sample: _Optional[int] = ..., end_sample: _Optional[int] = ..., text_start: _Optional[int] = ..., text_end: _Optional[int] = ..., phonemes: _Optional[_Iterable[_Union[PhonemeTime, _Mapping]]] = ...) -> None: ...

class PhonemeTime(_message.Message):
    __slots__ = ("phoneme", "start_s", "end_s", "start_sample", "end_sample")
    PHONEME_FIELD_NUMBER: _ClassVar[int]
    START_S_FIELD_NUMBER: _ClassVar[int]
    END_S_FIELD_NUMBER: _ClassVar[int]
    START_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    END_SAMPLE_FIELD_NUMBER: _ClassVar[int]
    phoneme: str
    start_s: float
    end_s: float
    start_sample: int
    end_sample: int
    def __init__(self, phoneme: _Optional[str] = ..., start_s: _Optional[float] = ..., end_s: _Optional[float] = ..., start_sample: _Optional[int] = ..., end_sample: _Optional[int] = ...) -> None: ...

class MarkTime(_message.Message):
    __slots__ = ("name", "time_s", "sample")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TIME_S_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    time_s: float
    sample: int
    def __init__(self, name: _Optional[str] = ..., time_s: _Optional[float] = ..., sample: _Optional[int] = ...) -> None: ...

class AudioChunk(_message.Message):
    __slots__ = ("audio", "sample_offset", "sentence", "words", "marks")
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_OFFSET_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    audio: bytes
    sample_offset: int
    sentence: int
    words: _containers.RepeatedCompositeFieldContainer[WordTime]
    marks: _containers.RepeatedCompositeFieldContainer[MarkTime]
    def __init__(self, audio: _Optional[bytes] = ..., sample_offset: _Optional[int] = ..., sentence: _Optional[int] = ..., words: _Optional[_Iterable[_Union[WordTime, _Mapping]]] = ..., marks: _Optional[_Iterable[_Union[MarkTime, _Mapping]]] = ...) -> None: ...

class SynthesizeRequest(_message.Message):
    __slots__ = ("text", "config", "ssml")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    SSML_FIELD_NUMBER: _ClassVar[int]
    text: str
    config: SynthesisConfig
    ssml: str
    def __init__(self, text: _Optional[str] = ..., config: _Optional[_Union[SynthesisConfig, _Mapping]] = ..., ssml: _Optional[str] = ...) -> None: ...

class SynthesizeResponse(_message.Message):
    __slots__ = ("info", "audio", "totals", "words", "marks")
    INFO_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    info: SpeechInfo
    audio: bytes
    totals: SpeechTotals
    words: _containers.RepeatedCompositeFieldContainer[WordTime]
    marks: _containers.RepeatedCompositeFieldContainer[MarkTime]
    def __init__(self, info: _Optional[_Union[SpeechInfo, _Mapping]] = ..., audio: _Optional[bytes] = ..., totals: _Optional[_Union[SpeechTotals, _Mapping]] = ..., words: _Optional[_Iterable[_Union[WordTime, _Mapping]]] = ..., marks: _Optional[_Iterable[_Union[MarkTime, _Mapping]]] = ...) -> None: ...

class StreamSynthesizeRequest(_message.Message):
    __slots__ = ("text", "config", "ssml")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    SSML_FIELD_NUMBER: _ClassVar[int]
    text: str
    config: SynthesisConfig
    ssml: str
    def __init__(self, text: _Optional[str] = ..., config: _Optional[_Union[SynthesisConfig, _Mapping]] = ..., ssml: _Optional[str] = ...) -> None: ...

class StreamSynthesizeResponse(_message.Message):
    __slots__ = ("info", "audio", "totals")
    INFO_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    info: SpeechInfo
    audio: AudioChunk
    totals: SpeechTotals
    def __init__(self, info: _Optional[_Union[SpeechInfo, _Mapping]] = ..., audio: _Optional[_Union[AudioChunk, _Mapping]] = ..., totals: _Optional[_Union[SpeechTotals, _Mapping]] = ...) -> None: ...

class IncrementalSynthesizeRequest(_message.Message):
    __slots__ = ("config", "text", "flush")
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    config: SynthesisConfig
    text: str
    flush: Flush
    def __init__(self, config: _Optional[_Union[SynthesisConfig, _Mapping]] = ..., text: _Optional[str] = ..., flush: _Optional[_Union[Flush, _Mapping]] = ...) -> None: ...

class Flush(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class IncrementalSynthesizeResponse(_message.Message):
    __slots__ = ("info", "audio", "totals")
    INFO_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    info: SpeechInfo
    audio: AudioChunk
    totals: SpeechTotals
    def __init__(self, info: _Optional[_Union[SpeechInfo, _Mapping]] = ..., audio: _Optional[_Union[AudioChunk, _Mapping]] = ..., totals: _Optional[_Union[SpeechTotals, _Mapping]] = ...) -> None: ...

class ListVoicesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListVoicesResponse(_message.Message):
    __slots__ = ("voices",)
    VOICES_FIELD_NUMBER: _ClassVar[int]
    voices: _containers.RepeatedCompositeFieldContainer[Voice]
    def __init__(self, voices: _Optional[_Iterable[_Union[Voice, _Mapping]]] = ...) -> None: ...

class Voice(_message.Message):
    __slots__ = ("name", "language", "sample_rate_hz", "steps", "default_steps", "speed", "pitch_semitones", "licence", "volume_db")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_STEPS_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    PITCH_SEMITONES_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    VOLUME_DB_FIELD_NUMBER: _ClassVar[int]
    name: str
    language: str
    sample_rate_hz: int
    steps: _containers.RepeatedScalarFieldContainer[int]
    default_steps: int
    speed: Range
    pitch_semitones: Range
    licence: str
    volume_db: Range
    def __init__(self, name: _Optional[str] = ..., language: _Optional[str] = ..., sample_rate_hz: _Optional[int] = ..., steps: _Optional[_Iterable[int]] = ..., default_steps: _Optional[int] = ..., speed: _Optional[_Union[Range, _Mapping]] = ..., pitch_semitones: _Optional[_Union[Range, _Mapping]] = ..., licence: _Optional[str] = ..., volume_db: _Optional[_Union[Range, _Mapping]] = ...) -> None: ...

class Range(_message.Message):
    __slots__ = ("min", "max")
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    min: float
    max: float
    def __init__(self, min: _Optional[float] = ..., max: _Optional[float] = ...) -> None: ...
