"""Every decision: pure, synchronous, no I/O, no clock, no randomness."""
