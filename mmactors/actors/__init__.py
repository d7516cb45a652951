"""Thin shells around the core: a dispatch table, timers and addresses."""
