"""The program as machine code."""
