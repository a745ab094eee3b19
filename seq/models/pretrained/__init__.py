"""Encoders that heard thousands of hours: finding them, running them, keeping what they say, adapting them."""
