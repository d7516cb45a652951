"""The program as it runs: live, recording, cancelling."""
