"""Free loopback ports."""

import random
import socket

LOWEST, HIGHEST = 15_000, 32_000
"""Below the range that the kernel takes the ports of outgoing connections from (Linux: from
32768), so that a connection cannot take a port between our choosing it and its use."""


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port nobody listens on now. Another process may still take it before it is used.

    Raises:
        OSError: a hundred ports tried at random were all taken.
    """
    for port in random.sample(range(LOWEST, HIGHEST), 100):
        with socket.socket(type=kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free loopback port found between {LOWEST} and {HIGHEST}")
