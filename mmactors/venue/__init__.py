"""The Degen Terminal client: wire codec, WebSocket session, REST."""
