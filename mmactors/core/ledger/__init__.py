"""What we hold and what it cost: a market, the account, a finished session."""
