"""The way to the venue: `port` is what the program needs of one, each venue is a folder beside it."""
