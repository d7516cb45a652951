"""One role a file: a dispatch table, timers and addresses around the core, no threads."""
