"""One asset's price and volatility, made of all its sources."""
