"""What of the venue can be exchanged: latency, queue and fees."""
