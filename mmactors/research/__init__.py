"""Offline study: the deterministic twin and what is run on it."""
