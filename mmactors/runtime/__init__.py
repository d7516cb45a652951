"""What Pykka lacks: lanes, timers, a directory, supervision, a clock."""
