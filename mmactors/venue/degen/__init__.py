"""The client of Degen Terminal."""
