"""Asks the Wootric API: the only sockets and the only clock."""
