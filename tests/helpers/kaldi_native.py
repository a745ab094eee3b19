"""Fbank by kaldi-native-fbank, an implementation that shares no code with ours or Lhotse's."""

from __future__ import annotations

import kaldi_native_fbank
import numpy as np


def kaldi_fbank(samples: np.ndarray) -> np.ndarray:
    """(T, 80) of (S,) samples, 16 kHz, with the options of stage 2."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = 80
    options.mel_opts.high_freq = -400
    fbank = kaldi_native_fbank.OnlineFbank(options)
    fbank.accept_waveform(16000, samples.tolist())
    fbank.input_finished()
    return np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])
