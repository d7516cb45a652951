"""The same run with many parameters."""
