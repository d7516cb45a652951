"""The embedded venue and price feeds: the other side of the wire, for paper trading, tests and research.

An implementation of the wire contract that shares no code with the client in `mmactors.venue`. Rooms, bottom up:
`models` (delays, queue, fees), `prices` (the true prices), `feeds` (the frames of exchanges), `venue` (the venue
without sockets, advanced by its driver: `venue.simulation.SimulatedVenue`), `server` (the same on the wall
clock and one port: `server.server.run`). `process` starts that as a child of the trading program.
"""
