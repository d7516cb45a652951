"""Where prices come from: made, recorded or live."""
