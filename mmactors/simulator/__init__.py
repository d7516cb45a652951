"""The embedded venue and price feeds, in a process of their own."""
