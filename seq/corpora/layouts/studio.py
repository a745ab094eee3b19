"""Records synthetic voices for the miniature corpora."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from seq.synth import speech as synthesis

_ESPEAK_LANGUAGES: Final = {"zh": "cmn", "en": "en-us", "de": "de", "pl": "pl"}
# The styles of `seq.synth.speech` that stand in for the emotions it has none for.
_STYLES: Final = {
    "calm": "neutral",
    "contempt": "neutral",
    "other": "neutral",
    "excited": "happy",
    "disgusted": "angry",
    "frustrated": "angry",
    "bored": "sad",
    "fearful": "fear",
    "surprised": "surprise",
}

# Short Mandarin sentences as words; the transcript has no blanks.
MANDARIN: Final = tuple(sentence.split() for sentence in synthesis.SENTENCES[:6])


@dataclass(frozen=True)
class Studio:
    """Speaks into files; the same seed gives the same bytes."""

    seed: int

    def record(
        self,
        path: Path,
        speaker: str,
        gender: Literal["F", "M"],
        language: str,
        words: list[str],
        emotion: str,
        intensity: str | None = None,
        rate: int = synthesis.SAMPLING_RATE,
        channels: int = 1,
    ) -> None:
        """Write 16-bit audio to `path`, and its folders.

        Args:
            speaker: decides on the voice among those of the gender.
            language: "zh", "en", "de" or "pl".
            emotion: a canonical name (`seq.labels.EMOTIONS`).
            intensity: weak, moderate, strong, or None.
            rate: Hz.
        """
        voices = [voice for voice in synthesis.VOICES if voice.gender == gender]
        voice = voices[zlib.crc32(speaker.encode()) % len(voices)]
        rng = np.random.default_rng([self.seed, zlib.crc32(f"{speaker}/{path.name}".encode())])
        style = _STYLES.get(emotion, emotion)
        samples = synthesis.render_words(words, _ESPEAK_LANGUAGES[language], voice, style, intensity, rng)
        if rate != synthesis.SAMPLING_RATE:
            import soxr

            samples = soxr.resample(samples, synthesis.SAMPLING_RATE, rate)
        synthesis.write_wav(path, np.stack([samples] * channels, axis=1), rate)
