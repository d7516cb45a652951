"""Sockets, TLS, proxies and waiting times: what every connection of the program needs, whoever it is with."""
