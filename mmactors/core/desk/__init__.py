"""Every order of the account: admission, sending, what became of it, and what earlier runs left."""
