"""Ours and rival strategies in the same worlds."""
