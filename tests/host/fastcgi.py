"""A web server's side of FastCGI, record by record: what a host sends, and what a broken one might."""

import socket
import struct

from lib.client import Call

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


class Translated:
    """A FastCGI connection that reads as if the answer were chunked HTTP: only the record that ends a request ends it."""

    def __init__(self, sock):
        self.sock = sock
        self.records = b""
        self.head = b""
        self.headed = False

    def recv(self, size):
        """What the next records mean; nothing at the end of the connection."""
        while True:
            out = b"".join(self._content(kind, content) for kind, content in self._whole_records())
            if out:
                return out
            got = self.sock.recv(size)
            if not got:
                return b""
            self.records += got

    def _whole_records(self):
        while len(self.records) >= 8:
            _, kind, _, size, padding = struct.unpack("!BBHHBx", self.records[:8])
            if len(self.records) < 8 + size + padding:
                return
            content = self.records[8 : 8 + size]
            self.records = self.records[8 + size + padding :]
            yield kind, content

    def _content(self, kind, content):
        if kind == END:
            self.headed, self.head = False, b""
            return b"0\r\n\r\n"
        if kind != STDOUT or not content:
            return b""
        if self.headed:
            return b"%x\r\n%s\r\n" % (len(content), content)
        self.head += content
        head, found, rest = self.head.partition(b"\r\n\r\n")
        if not found:
            return b""
        assert head.startswith(b"Status: "), head
        self.headed = True
        out = b"HTTP/1.1 " + head[8:].replace(b"\r\n", b" CGI\r\nTransfer-Encoding: chunked\r\n", 1) + b"\r\n\r\n"
        return out + (b"%x\r\n%s\r\n" % (len(rest), rest) if rest else b"")

    def __getattr__(self, name):
        return getattr(self.sock, name)


class Exchange(Call):
    """Requests over FastCGI. Like Call, but `ended` is "clean" only by the record that says so."""

    def __init__(self, address, limit=30):
        self.limit = limit
        self.sock = Translated(connect(address, limit))
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


def request(address, method, path, headers=(), body=b"", limit=30):
    """One whole exchange."""
    with Exchange(address, limit) as exchange:
        return exchange.ask(method, path, headers, body).read()
