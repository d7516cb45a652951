"""Faults on the ways between program and venue, and the search for what they break."""
