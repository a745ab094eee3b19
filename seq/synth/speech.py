"""The synthetic corpus: espeak-ng speaks Mandarin sentences in six acted styles.

An utterance's style sits less in its averages than in the course of pitch, pitch range, speed and loudness from word
to word: the averages vary at random, and overlap. This exercises a pipeline and says nothing about human emotion.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from seq.lang.espeak import speak
from seq.utils.files import atomic_path

SAMPLING_RATE: Final = 16000
# Changes whenever the samples of an unchanged seed would change.
VERSION: Final = 1
INTENSITIES: Final = ("weak", "moderate", "strong")
_STRENGTH: Final = {"weak": 0.65, "moderate": 1.0, "strong": 1.5, None: 1.0}


@dataclass(frozen=True)
class Voice:
    """A speaker: an espeak-ng variant, its pitch (0-100) and a factor on all formants (1 / vocal tract length)."""

    name: str
    gender: Literal["F", "M"]
    variant: str
    pitch: float
    tract: float


# No variant with breath noise (f2, f3, f5): espeak-ng's is not the same in every process.
VOICES: Final = (
    Voice("f1", "F", "f1", 48, 1.03),
    Voice("m1", "M", "m3", 46, 1.00),
    Voice("f2", "F", "f4", 40, 0.97),
    Voice("m2", "M", "m1", 36, 0.93),
    Voice("f3", "F", "linda", 24, 1.00),
    Voice("m3", "M", "m7", 50, 1.03),
)

# Everyday sentences, written for this corpus; blanks separate words, and are not part of the transcript.
SENTENCES: Final = (
    "我们 明天 上午 去 图书馆",
    "他 把 书 放在 桌子 上",
    "今天 晚上 吃 米饭 和 青菜",
    "公园 里 有 很多 小 朋友",
    "请 你 把 窗户 打开 一点",
    "火车 八点 从 北京 出发",
    "妈妈 在 厨房 里 做 早饭",
    "这 条 路 一直 通到 海边",
    "老师 让 大家 读 第三 课",
    "我 的 自行车 停在 楼下",
    "外面 的 雨 已经 停 了",
    "她 每天 坐 公共汽车 上班",
    "这 家 商店 九点 才 开门",
    "弟弟 正在 房间 里 写 作业",
    "冬天 的 早晨 天 亮 得 晚",
    "我 想 买 两 张 电影 票",
    "爷爷 喜欢 在 院子 里 种 花",
    "会议 改到 星期四 下午 三点",
    "桌上 的 茶 还是 热 的",
    "他们 昨天 搬到 了 新 家",
    "山 上 的 树叶 变 黄 了",
    "我 把 钥匙 交给 了 邻居",
    "这个 城市 有 一 条 大 河",
    "同学 们 在 操场 上 跑步",
    "邮局 就 在 银行 的 旁边",
    "周末 我们 一起 去 爬山",
    "她 刚刚 给 家里 打 了 电话",
    "飞机 下午 四点 到 上海",
    "小猫 睡在 沙发 的 下面",
    "超市 里 的 苹果 很 便宜",
)


@dataclass(frozen=True)
class Style:
    """The shifts of an emotion at full strength, and their course over the utterance.

    Pitch is in espeak-ng units (10 are about 1.5 semitones), loudness in dB, rate and range are natural logarithms of
    factors. A course is a value at the beginning, the middle and the end; accents alternate from word to word.
    """

    pitch: float
    pitch_course: tuple[float, float, float]
    pitch_accent: float
    range: float
    rate: float
    rate_course: tuple[float, float, float]
    loudness: float
    loudness_course: tuple[float, float, float]
    # Depth in dB and rate in Hz of a periodic loudness change (tremor).
    tremor: float = 0.0
    tremor_rate: float = 0.0


STYLES: Final = {
    "angry": Style(2, (12, 3, -12), 8, 0.3, 0.10, (0.15, 0.0, -0.15), 1, (6, 1, -7), 7, 3.0),
    "fear": Style(3, (-7, 0, 10), 0, -0.8, 0.12, (-0.25, 0.0, 0.3), -1, (-6, 0, 5), 10, 8.0),
    "happy": Style(2, (-10, 16, -6), 14, 0.6, 0.06, (0.1, -0.1, 0.1), 0, (-4, 5, -3)),
    "neutral": Style(0, (2, 0, -2), 0, -0.1, 0.0, (0.0, 0.0, 0.0), 0, (0, 0, -1)),
    "sad": Style(-3, (8, -2, -14), 0, -1.0, -0.12, (0.15, 0.0, -0.3), -1, (4, 0, -10)),
    "surprise": Style(2, (-10, -8, 30), 0, 0.4, 0.0, (0.25, 0.1, -0.45), 1, (-4, -2, 6)),
}
EMOTIONS: Final = tuple(STYLES)

# Standard deviations of what varies from utterance to utterance, in the units of Style.
_PITCH_SPREAD: Final = 8.0
_RANGE_SPREAD: Final = 0.2
_RATE_SPREAD: Final = 0.12
_LOUDNESS_SPREAD: Final = 4.0
_STRENGTH_SPREAD: Final = 0.08
# ... and from word to word.
_WORD_PITCH_SPREAD: Final = 3.0
_WORD_RATE_SPREAD: Final = 0.08
_COURSE_LOUDNESS_SPREAD: Final = 1.0

_WORDS_PER_MINUTE: Final = 200.0
_LEVEL: Final = 10 ** (-33 / 20)  # RMS of neutral speech, relative to full scale


def render(voice: Voice, emotion: str, intensity: str | None, sentence: int, seed: int) -> np.ndarray:
    """Speak `SENTENCES[sentence]`; returns (T,) int16 samples at 16 kHz, the same for the same arguments.

    Raises:
        InputError: espeak-ng is not installed.
    """
    rng = np.random.default_rng([seed, VOICES.index(voice), EMOTIONS.index(emotion), sentence])
    return render_words(SENTENCES[sentence].split(), "cmn", voice, emotion, intensity, rng)


def render_words(
    words: list[str], language: str, voice: Voice, emotion: str, intensity: str | None, rng: np.random.Generator
) -> np.ndarray:
    """Speak `words` in a language of espeak-ng ("cmn", "en-us", ...), styled as one of `EMOTIONS`; see `render`."""
    import soxr

    style = STYLES[emotion]
    strength = _STRENGTH[intensity] * math.exp(rng.normal(0, _STRENGTH_SPREAD))
    rate = math.exp(rng.normal(0, _RATE_SPREAD) + strength * style.rate)
    text = _with_commands(words, voice, style, strength, rate, rng)
    speech = speak(text, f"{language}+{voice.variant}", {"volume": 80})
    samples = np.frombuffer(speech.samples, dtype="<i2").astype(np.float64) / 32768
    # Played faster by `tract`, all formants (and the pitch, which the voice's own pitch allows for) rise by it.
    samples = soxr.resample(samples, speech.sampling_rate * voice.tract, SAMPLING_RATE)
    samples *= _loudness(len(samples), style, strength, rng) * _LEVEL / np.sqrt(np.mean(samples**2))
    return np.round(np.clip(samples, -0.999, 0.999) * 32767).astype(np.int16)


def _course(values: tuple[float, float, float], position: np.ndarray) -> np.ndarray:
    return np.interp(position, [0.0, 0.5, 1.0], values)


def _with_commands(
    words: list[str], voice: Voice, style: Style, strength: float, rate: float, rng: np.random.Generator
) -> str:
    """The words, each after espeak-ng's embedded commands for its pitch (P), pitch range (R) and speed (S)."""
    position = np.linspace(0, 1, len(words))
    accent = np.where(np.arange(len(words)) % 2 == rng.integers(2), 1.0, -1.0) * style.pitch_accent
    pitch = voice.pitch + rng.normal(0, _PITCH_SPREAD) + rng.normal(0, _WORD_PITCH_SPREAD, len(words))
    pitch += strength * (style.pitch + _course(style.pitch_course, position) + accent)
    pitch_range = 50 * math.exp(rng.normal(0, _RANGE_SPREAD) + strength * style.range)
    speed = _WORDS_PER_MINUTE * rate * np.exp(rng.normal(0, _WORD_RATE_SPREAD, len(words)))
    speed *= np.exp(strength * _course(style.rate_course, position))
    pieces = []
    for i, word in enumerate(words):
        p, r, s = (round(x) for x in (np.clip(pitch[i], 0, 99), min(pitch_range, 99), np.clip(speed[i], 90, 440)))
        pieces.append(f"\x01{p}P\x01{r}R\x01{s}S{word}")
    return " ".join(pieces)


def _loudness(num_samples: int, style: Style, strength: float, rng: np.random.Generator) -> np.ndarray:
    """The factor on each sample (T,)."""
    seconds = np.arange(num_samples) / SAMPLING_RATE
    course = np.array(style.loudness_course) + rng.normal(0, _COURSE_LOUDNESS_SPREAD, 3)
    level = rng.normal(0, _LOUDNESS_SPREAD) + strength * style.loudness
    decibel = level + strength * _course(tuple(course), np.linspace(0, 1, num_samples))
    rate = style.tremor_rate * math.exp(rng.normal(0, 0.1))
    decibel += 0.5 * strength * style.tremor * np.sin(2 * np.pi * (rate * seconds + rng.random()))
    return 10 ** (decibel / 20)


def write_wav(path: Path, samples: np.ndarray, rate: int) -> None:
    """Write (T,) or (T, channels) as 16-bit wav, whole or not at all, and its folders.

    Raises:
        OSError: the disk is full. libsndfile itself would only say "System error", and not where.
    """
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, samples, rate, subtype="PCM_16", format="WAV")
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())
