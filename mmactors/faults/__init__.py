"""Faults between program and venue, and the search for what they break."""
