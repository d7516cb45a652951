"""Replay of recorded decisions: by the same program (`replay`), or under another configuration (`what_if`)."""
