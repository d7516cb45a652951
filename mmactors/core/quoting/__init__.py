"""One market's ladder: what we would bid, how much, and when."""
