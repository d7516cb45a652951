"""Recorded decisions, made again."""
