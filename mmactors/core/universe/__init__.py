"""The markets the venue lists and which of them are quoted."""
