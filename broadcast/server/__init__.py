"""The composition root: the server of one city, made of the services, the store, the transport and the web."""

from broadcast.server.server import Server

__all__ = ["Server"]
