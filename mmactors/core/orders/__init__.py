"""Our orders and what is known of each."""
