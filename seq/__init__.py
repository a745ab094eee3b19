"""SpeechEQ: emotion, intensity, gender and phonemes of an utterance from one network.

Importing the package loads neither torch, nor Lhotse, nor k2.
"""

__version__ = "0.1.0"
