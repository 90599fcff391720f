"""Plays over the network: protocol, frame encoding, sessions over WebSocket, and the page in `client/`."""
