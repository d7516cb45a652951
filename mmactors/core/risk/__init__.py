"""What may be sent and in which trading state."""
