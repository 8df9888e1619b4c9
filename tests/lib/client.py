"""A raw HTTP/1.1 client that says when each server-sent event arrived and how exactly the transfer ended."""

import dataclasses
import json
import select
import socket
import struct
import time


class Ended(Exception):
    """The connection ended before what was waited for."""


@dataclasses.dataclass
class Event:
    """One server-sent event; data is the parsed JSON, or the text where it is none."""

    name: str
    data: object
    time: float
    raw: bytes


class Call:
    """One request and its answer. Where the framing says how the body ends, `ended` tells whether it did so.

    ended: None (still open), "clean" (as the framing says), "truncated" (closed before that), "reset".
    An answer framed by the close of the connection can't be told from a cut one and counts as "clean".
    """

    def __init__(self, port, limit=30, window=None):
        """window: the size of the receive buffer, small for one who is to be slow."""
        self.limit = limit
        self.sock = socket.socket()
        self.sock.settimeout(limit)
        if window:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._start()

    def _start(self):
        self.status = None
        self.headers = {}
        self.header_list = []
        self._body = bytearray()
        self.ended = None
        self.end_time = None
        self._wire = getattr(self, "_wire", bytearray())
        self._framing = None
        self._left = 0
        self._events_seen = 0

    @property
    def body(self):
        """What has arrived of the body, without its framing."""
        return bytes(self._body)

    # Sending

    def send(self, method, path, headers=(), body=None, chunks=None, close=True):
        """Sends a request: body with a content-length, or chunks (an iterable of bytes) in chunked coding."""
        self.method = method
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.sock.getpeername()[1]}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if close:
            lines.append("Connection: close")
        if chunks is not None:
            lines.append("Transfer-Encoding: chunked")
        elif body is not None or method in ("POST", "PUT"):
            lines.append(f"Content-Length: {len(body or b'')}")
        try:
            self.sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))
            for chunk in chunks or ():
                self.sock.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            if chunks is not None:
                self.sock.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            # The server answered without reading it all; the answer may still be there to read.
            pass
        self.sent_time = time.monotonic()
        return self

    def again(self):
        """Makes ready for another request on the same connection, after a whole answer."""
        assert self.ended == "clean", self.ended
        self._start()
        return self

    # Receiving

    def _receive(self, end, size=262144):
        """Takes what has arrived, waiting for it up to the time end."""
        left = end - time.monotonic()
        if left <= 0 or not select.select([self.sock], [], [], left)[0]:
            raise TimeoutError(f"nothing arrived in time; status {self.status}, body so far {self.body[-500:]!r}")
        try:
            got = self.sock.recv(size)
        except ConnectionResetError:
            self._end("reset")
            raise Ended("reset") from None
        if not got:
            self._end("clean" if self._framing == "close" else "truncated")
            raise Ended(self.ended)
        self._wire += got

    def _end(self, how):
        if self.ended is None:
            self.ended = how
            self.end_time = time.monotonic()

    def read_head(self, limit=None):
        """Reads status and headers; `headers` maps lower-case names to values, repeated ones joined by a comma."""
        end = time.monotonic() + (limit or self.limit)
        while self.status is None:
            while b"\r\n\r\n" not in self._wire:
                self._receive(end)
            head, _, self._wire = self._wire.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ", 2)[1])
            if status == 100:
                continue
            self.status = status
            self.head_time = time.monotonic()
            self._take_headers(lines[1:])
        self._decode()
        return self

    def _take_headers(self, lines):
        for line in lines:
            name, _, value = line.partition(":")
            self.header_list.append((name, value.strip()))
            name = name.lower()
            old = self.headers.get(name)
            self.headers[name] = value.strip() if old is None else f"{old}, {value.strip()}"
        if self.method == "HEAD" or self.status in (204, 304):
            self._framing = "none"
        elif self.headers.get("transfer-encoding", "").lower() == "chunked":
            self._framing = "chunked"
        elif "content-length" in self.headers:
            self._framing = "length"
            self._left = int(self.headers["content-length"])
        else:
            self._framing = "close"

    def _decode(self):
        """Moves what has arrived from the wire to the body, by the answer's framing."""
        if self._framing == "none":
            self._end("clean")
        elif self._framing == "close":
            self._take(len(self._wire))
        elif self._framing == "length":
            self._left -= self._take(min(self._left, len(self._wire)))
            if self._left == 0:
                self._end("clean")
        else:
            self._decode_chunks()

    def _take(self, size):
        """Moves so many bytes from the wire to the body."""
        self._body += self._wire[:size]
        del self._wire[:size]
        return size

    def _decode_chunks(self):
        while self.ended is None:
            line = self._wire.find(b"\r\n")
            if line < 0:
                return
            size = int(self._wire[:line].split(b";")[0], 16)
            if len(self._wire) < line + 2 + size + 2:
                return
            del self._wire[: line + 2]
            self._take(size)
            del self._wire[:2]
            if size == 0:
                self._end("clean")

    def _more(self, end):
        """Reads on; False at the answer's end."""
        if self.ended is not None:
            return False
        try:
            self._receive(end)
        except Ended:
            return False
        self._decode()
        return True

    def drip(self, size, limit=None):
        """Takes so many bytes at the most, and no more."""
        end = time.monotonic() + (limit or self.limit)
        if self.ended is None:
            self._receive(end, size)
            self._decode()

    def read(self, limit=None):
        """Reads the whole answer."""
        end = time.monotonic() + (limit or self.limit)
        self.read_head(limit)
        while self._more(end):
            pass
        return self

    def next_event(self, limit=None):
        """The next event, or None at the end of the answer."""
        end = time.monotonic() + (limit or self.limit)
        self.read_head(limit)
        while True:
            cut = self._body.find(b"\n\n", self._events_seen)
            if cut >= 0:
                raw = bytes(self._body[self._events_seen : cut + 2])
                self._events_seen = cut + 2
                return parse_event(raw, time.monotonic())
            if not self._more(end):
                return None

    def events(self, limit=None):
        """All events from here on; limit is for each one's arrival."""
        while True:
            event = self.next_event(limit)
            if event is None:
                return
            yield event

    def until(self, name, limit=None):
        """Reads on to the event of this name and returns it."""
        for event in self.events(limit):
            if event.name == name:
                return event
        raise AssertionError(f"no event {name}; {self.status} {self.headers} ended {self.ended}: {self.body[-2000:]!r}")

    def until_bytes(self, data, count=1, limit=30):
        """Reads on until these bytes have come so many times."""
        end = time.monotonic() + limit
        self.read_head(limit)
        while self.body.count(data) < count:
            assert self._more(end), f"{data!r} did not come {count} times; ended {self.ended}: {self.body[-2000:]!r}"

    def json(self):
        return json.loads(self.body)

    # Leaving

    def leave(self):
        """Closes the connection in the ordinary way; returns when."""
        self.sock.close()
        return time.monotonic()

    def reset(self):
        """Closes it with a TCP reset; returns when."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        return time.monotonic()

    def half_close(self):
        """Says that no more will be sent, and still reads."""
        self.sock.shutdown(socket.SHUT_WR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def parse_event(raw, when):
    """The fields of one event block. Every event of the API has a name and one line of data."""
    name, data = None, []
    for line in raw.decode().splitlines():
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].strip())
    text = "\n".join(data)
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return Event(name, value, when, raw)


def request(port, method, path, headers=(), body=None, chunks=None, limit=30):
    """One whole call on a connection of its own."""
    with Call(port, limit) as call:
        return call.send(method, path, headers, body, chunks).read()
