"""Shared pure functions: arrays in, arrays out."""
