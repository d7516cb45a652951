"""What YES is worth: its probability, its delta, and what a settlement rule makes of the prices."""
