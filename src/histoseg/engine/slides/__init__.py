"""Slides through a model: read, forward, decode, own, part files; in memory of a few regions."""
