"""Price sources: one file each, and the socket loop they share."""
