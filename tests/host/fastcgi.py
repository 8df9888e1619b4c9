"""A web server's side of FastCGI, record by record: what a host sends, and what a broken one might."""

import socket
import struct
import time

from lib.client import Call, Ended

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7


def record(kind, content=b"", request=1, version=1, padding=0):
    return struct.pack("!BBHHBx", version, kind, request, len(content), padding) + content + bytes(padding)


def begin(keep=False, role=1, request=1):
    return record(BEGIN, struct.pack("!HB5x", role, keep), request)


def _length(n):
    return bytes([n]) if n < 128 else struct.pack("!I", n | 0x80000000)


def pair(name, value):
    return _length(len(name)) + _length(len(value)) + name + value


def pieces(kind, data, size=65528):
    """Data as the records of a stream, with the empty one at its end."""
    parts = [record(kind, data[at : at + size]) for at in range(0, len(data), size)]
    return b"".join(parts) + record(kind)


def params_of(method, path, headers, body):
    """The CGI variables of a request, as nginx would send them."""
    named = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REQUEST_METHOD": method,
        "REQUEST_URI": path,
        "SCRIPT_NAME": path.split("?")[0],
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
    }
    for name, value in headers:
        name = name.upper().replace("-", "_")
        named[name if name == "CONTENT_TYPE" else f"HTTP_{name}"] = value
    return [(name.encode(), value.encode("latin-1")) for name, value in named.items()]


def whole(method, path, headers=(), body=b"", keep=False):
    """All records of a request."""
    params = b"".join(pair(n, v) for n, v in params_of(method, path, headers, body))
    return begin(keep) + pieces(PARAMS, params) + pieces(STDIN, body)


def connect(address, limit=30):
    """A connection to a unix path or to a port of 127.0.0.1."""
    if isinstance(address, int):
        return socket.create_connection(("127.0.0.1", address), timeout=limit)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(limit)
    sock.connect(str(address))
    return sock


class Exchange(Call):
    """One request over FastCGI. Like Call, but `ended` is "clean" only by the record that says so."""

    def __init__(self, address, limit=30):
        self.limit = limit
        self.sock = connect(address, limit)
        self._records = b""
        self._start()

    def put(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return self

    def ask(self, method, path, headers=(), body=b"", keep=False):
        self.method = method
        return self.put(whole(method, path, headers, body, keep))

    def _receive(self, end):
        kept, self._wire = self._wire, b""
        try:
            super()._receive(end)
        finally:
            self._records += self._wire
            self._wire = kept
        while len(self._records) >= 8:
            _, kind, _, size, padding = struct.unpack("!BBHHBx", self._records[:8])
            if len(self._records) < 8 + size + padding:
                return
            content = self._records[8 : 8 + size]
            self._records = self._records[8 + size + padding :]
            if kind == STDOUT:
                self._wire += content
            elif kind == END:
                self._finish()

    def _finish(self):
        if self.status is None and b"\r\n\r\n" not in self._wire:
            self._end("empty")
            raise Ended("empty")
        if self.status is not None:
            self._decode()
        self._end("clean")

    def _take_headers(self, lines):
        super()._take_headers(lines)
        if self._framing == "close":
            self._framing = "records"

    def _decode(self):
        if self._framing == "records":
            self.body, self._wire = self.body + self._wire, b""
            return
        ended = self.ended
        super()._decode()
        if self.ended == "clean" and ended is None:
            # All bytes are here; whether the request is over is what its last record says.
            self.ended = None
            self._framing = "records"

    def read_head(self, limit=None):
        """The head of a CGI answer, which has no status line of its own."""
        if self.status is None:
            end = time.monotonic() + (limit or self.limit)
            while b"\r\n\r\n" not in self._wire:
                self._receive(end)
            head, rest = self._wire.split(b"\r\n\r\n", 1)
            first, _, others = head.partition(b"\r\n")
            assert first.startswith(b"Status: "), head
            self._wire = b"HTTP/1.1 " + first[8:] + b" CGI\r\n" + others + b"\r\n\r\n" + rest
        return super().read_head(limit)


def request(address, method, path, headers=(), body=b"", limit=30):
    """One whole exchange."""
    with Exchange(address, limit) as exchange:
        return exchange.ask(method, path, headers, body).read()
