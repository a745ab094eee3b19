"""What training has heard: bands of the audio of train, and the places and lines that augmentation adds."""

from __future__ import annotations

from collections import Counter

from seq.audio.reading import read_audio
from seq.audio.sound import listen
from seq.data.degrade import degrades
from seq.export.whole_run import WholeRun
from seq.runtime.doubts import Heard
from seq.utils.files import read_jsonl
from seq.utils.model_conf import AugmentConf
from seq.utils.sampling import evenly

NUM_UTTERANCES = 200
# A band that fewer of the utterances have was not learnt.
MIN_SHARE = 0.05


def measure_heard(run: WholeRun, augment: AugmentConf) -> Heard | None:
    """Look at up to 200 utterances of train, evenly drawn from the manifest; None where it has no audio of them.

    Args:
        augment: what training did to them.
    """
    if run.manifest is None:
        return None
    rows = [row for row in read_jsonl(run.manifest) if "recording" in row]
    if run.fold is not None:
        train = set(run.fold.train)
        rows = [row for row in rows if row["id"] in train]
    else:
        others = {row.id for row in (*run.valid, *run.test)}
        rows = [row for row in rows if row["id"] not in others]
    found: Counter[str] = Counter()
    for row in evenly(rows, NUM_UTTERANCES):
        band = listen(read_audio(row["recording"]["sources"][0]["source"], row["start"], row["duration"])).band
        if band is not None:
            found[band] += 1
    if not found:
        return None
    bands = {band for band, count in found.items() if count >= MIN_SHARE * found.total()}
    if augment.band_prob > 0:
        bands.add("narrow")
    return {"bands": sorted(bands), "conditions": describe_augment(augment)}


def describe_augment(augment: AugmentConf) -> list[str]:
    """Where else than in the corpus training has heard its utterances, for people."""
    if not degrades(augment):
        return []
    said = {
        "rooms": augment.room_prob,
        f"noise and babble at {augment.noise_snr_low:g} to {augment.noise_snr_high:g} dB": augment.noise_prob,
        "telephones (8 kHz, and mu-law)": augment.band_prob,
    }
    return [name for name, probability in said.items() if probability > 0]
