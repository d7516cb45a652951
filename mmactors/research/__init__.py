"""Offline study: the arena, sweeps, calibration and the report."""
