"""espeak-ng through ctypes: phonemes of a text, and speech.

The library, its data and its voices come in the PyPI package `espeakng-loader`; nothing is installed system-wide.
Function and constant names are those of espeak-ng's `speak_lib.h` (1.52).
"""

from __future__ import annotations

import _ctypes
import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from seq.errors import InputError

_AUDIO_OUTPUT_SYNCHRONOUS: Final = 2
_INITIALIZE_DONT_EXIT: Final = 0x8000
_CHARS_UTF8: Final = 1
_END_PAUSE: Final = 0x1000
_PHONEMES_IPA: Final = 0x02
_SEPARATOR: Final = "_"
_POSITION_CHARACTER: Final = 1
# espeak_PARAMETER.
_PARAMETERS: Final = {"rate": 1, "volume": 2, "pitch": 3, "range": 4}

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


class Speech(NamedTuple):
    """Signed 16-bit little-endian mono samples (T,) and their rate in Hz."""

    samples: bytes
    sampling_rate: int


@contextmanager
def _espeak() -> Iterator[tuple[ctypes.CDLL, int]]:
    """A freshly loaded and initialised library, and its sampling rate in Hz; unloaded at the end.

    The library keeps the phase of its oscillators and filters in static variables that `espeak_Initialize` does not
    reset, so samples would depend on what was spoken before. Unloading is what resets them; it takes 3 ms.

    Raises:
        InputError: the package is not installed, or its data cannot be read.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise InputError("espeak-ng is not installed: pip install espeakng-loader") from error
    data = str(espeakng_loader.get_data_path())
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        _declare(library)
        rate = library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data.encode(), _INITIALIZE_DONT_EXIT)
        if rate <= 0:
            raise InputError(f"espeak-ng cannot read its data in {data}: reinstall espeakng-loader")
        yield library, rate
        library.espeak_Terminate()
    finally:
        _ctypes.dlclose(library._handle)


def _declare(library: ctypes.CDLL) -> None:
    library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
    library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
    library.espeak_SetParameter.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int]
    library.espeak_SetSynthCallback.argtypes = [_CALLBACK]
    library.espeak_SetSynthCallback.restype = None
    library.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p


def _set_voice(library: ctypes.CDLL, voice: str) -> None:
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise InputError(f"espeak-ng has no voice {voice}: choose a language of its data folder, or a variant (cmn+f1)")


def phonemes(text: str, voice: str, mnemonics: bool = False) -> list[str]:
    """The phonemes of `text` in IPA, in order, with espeak-ng's stress marks; for example kˈæt -> k ˈæ t.

    Args:
        mnemonics: espeak-ng's own names of phonemes instead of the IPA, which has one symbol for some of them.

    Raises:
        InputError: the package or the voice is missing.
    """
    buffer = ctypes.create_string_buffer(text.encode())
    pointer = ctypes.c_void_p(ctypes.addressof(buffer))
    mode = (0 if mnemonics else _PHONEMES_IPA) | ord(_SEPARATOR) << 8
    symbols: list[str] = []
    with _espeak() as (library, _):
        _set_voice(library, voice)
        # One call converts one clause and moves the pointer on; it becomes NULL at the end of the text.
        while pointer.value:
            clause = library.espeak_TextToPhonemes(ctypes.byref(pointer), _CHARS_UTF8, mode) or b""
            symbols += [s for s in clause.decode().replace(" ", _SEPARATOR).split(_SEPARATOR) if s]
    return symbols


def word_phones(
    word: str, voice: str, table: Mapping[str, tuple[str, ...]], ignored: str, mnemonics: bool = False
) -> tuple[str, ...]:
    """The phones of one word, by a table from espeak-ng's IPA; a symbol is split into the longest keys of the table.

    Args:
        table: IPA (or mnemonics), without stress marks, to phones.
        ignored: characters that count for nothing (stress, length).
        mnemonics: the table's keys are espeak-ng's own names of phonemes.

    Raises:
        InputError: espeak-ng is not installed, or uses a symbol that the table lacks.
    """
    longest = max(len(ipa) for ipa in table)
    phones: list[str] = []
    for symbol in phonemes(word, voice, mnemonics):
        # (en) and (de) say that espeak-ng takes a word for English, and the next one not.
        if symbol.startswith("("):
            continue
        rest = "".join(c for c in symbol if c not in ("',%" if mnemonics else "ˈˌ"))
        while rest:
            for length in range(min(longest, len(rest)), 0, -1):
                if rest[:length] in table:
                    phones += table[rest[:length]]
                    break
            else:
                length = 1
                if rest[0] not in ignored:
                    raise InputError(
                        f"espeak-ng's {symbol!r} in {word!r} has no phone here ({voice}): respell the word"
                    )
            rest = rest[length:]
    return tuple(phones)


def speak(text: str, voice: str, parameters: Mapping[str, int]) -> Speech:
    """Speak `text` (which may hold espeak-ng's embedded commands) with `voice`.

    `parameters` may set rate (words per minute), volume (0-200), pitch and range (0-100, 50 is normal).
    Equal arguments give equal samples, whatever was spoken before, except for voices with breath noise (f2, f3, f5).

    Raises:
        InputError: the package or the voice is missing, or espeak-ng returned no audio.
    """
    chunks: list[bytes] = []

    def collect(wave: int | None, num_samples: int, _events: int | None) -> int:
        if wave and num_samples > 0:
            chunks.append(ctypes.string_at(wave, 2 * num_samples))
        return 0

    callback = _CALLBACK(collect)  # named, so that it outlives the library's pointer to it
    data = text.encode()
    with _espeak() as (library, rate):
        library.espeak_SetSynthCallback(callback)
        _set_voice(library, voice)
        for name, value in parameters.items():
            library.espeak_SetParameter(_PARAMETERS[name], value, 0)
        library.espeak_Synth(data, len(data) + 1, 0, _POSITION_CHARACTER, 0, _CHARS_UTF8 | _END_PAUSE, None, None)
    if not chunks:
        raise InputError(f"espeak-ng returned no audio for {text!r} with voice {voice}")
    return Speech(b"".join(chunks), rate)
