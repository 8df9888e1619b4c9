"""Free TCP ports on the loopback."""

import socket

# Ports handed out by this process; the kernel may offer one again as soon as its probe is closed.
_given = set()


def free_port():
    """A port on 127.0.0.1 that nothing listens on and that no earlier call in this process returned."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


def accepts(port):
    """True when something on 127.0.0.1 takes connections on the port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
