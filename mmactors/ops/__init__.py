"""What an operator sees: logs, the journal, market inspection."""
