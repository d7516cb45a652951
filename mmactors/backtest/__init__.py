"""The program against the simulated venue in virtual time."""
