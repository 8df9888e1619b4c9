"""What the upstreams of the fault table do, where lib.scripts and lib.rawhttp have it not yet."""

import gzip
import json
import socket
import ssl
import threading
import warnings

from lib import messages, scripts
from lib.rawhttp import CHUNKED, JSON, SSE, chunk, events, wire, whole

# Where an answer is broken off, in the order of the wire: what is looked for, and how far behind its beginning.
PLACES = {
    "in the status line": (b"HTTP/", 7),
    "in a header": (b"content-type", 5),
    "before the head's end": (b"\r\n\r\n", 2),
    "behind the head": (b"\r\n\r\n", 4),
}
STREAM_PLACES = {
    **PLACES,
    "in a chunk's size": (b"\r\nevent: message_start", -1),
    "in the first event's name": (b"event: message_start", 12),
    "in the first event's data": (b'"type": "message_start"', 30),
    "before the first blank line": (b"\n\n", 1),
    "between two events": (b"event: content_block_start", -6),
    "in an event's name": (b"event: content_block_delta", 14),
    "in an event's data": (b"text_delta", 18),
    "before message_stop": (b"event: message_stop", -4),
    "in message_stop": (b'{"type": "message_stop"', 12),
    "before the last blank line": (b'"message_stop"}\n', 16),
    "behind message_stop": (b'"message_stop"}\n\n', 17),
}
# Of this the last hit counts.
LAST = b"}}"
WHOLE_PLACES = {**PLACES, "in the body": (b'"content"', 20), "before the last byte": (LAST, 1)}


def place(data, at):
    """The offset in data that a row of the places above means."""
    found, behind = at
    where = data.rfind(found) if found == LAST else data.find(found)
    assert where >= 0, found
    return where + behind


def let_arrive(request, out, data):
    """Waits until the client has an event, where a whole one is in data: nothing that follows may overtake it."""
    if request.streams and b"\n\n" in data:
        out.hold(request.arrived)


def broken_at(at, how):
    """The plain good answer up to a place: a row of the places, or an offset. how: "close", "reset", "stall"."""

    def script(request, out):
        data = wire(request)
        data = data[: at if isinstance(at, int) else place(data, at)]
        out.raw(data)
        let_arrive(request, out, data)
        if how == "stall":
            out.wait(120)
        elif how == "reset":
            out.reset()
        out.cut()

    return script


def stall(request, out):
    """Takes the request and says nothing at all."""
    out.wait(120)


def sent(make, end=b"0\r\n\r\n"):
    """A stream of these bytes in one chunk."""

    def script(request, out):
        out.raw(SSE + CHUNKED + chunk(make(request)) + end)

    return script


def sse_of(*values):
    return b"".join(messages.sse(value) for value in values)


def altered(old, new, count=1):
    """The plain good stream with other bytes in some place."""

    def make(request):
        assert old in events(request), old
        return events(request).replace(old, new, count)

    return make


def inserted(data, before=b"event: content_block_delta"):
    """The plain good stream with more bytes before an event; before its end with before=b""."""
    return lambda request: events(request) + data if not before else events(request).replace(before, data + before, 1)


def until(name):
    """The events of the plain good stream before the first of this name."""
    return lambda request: events(request).partition(b"event: " + name)[0]


def both(a, b):
    return lambda request: a(request) + b(request)


def pieces(size):
    """The good answer in chunks of so many bytes."""

    def script(request, out):
        data = events(request) if request.streams else whole(request)
        out.head(200, scripts.STREAM_HEADERS if request.streams else scripts.JSON_HEADERS)
        for at in range(0, len(data), size):
            out.write(data[at : at + size])
        out.end()

    return script


def drip(request, out):
    """The good answer with all of its framing, a byte at a time, and a little silence after each."""
    for byte in wire(request):
        out.raw(bytes([byte]))
        out.wait(0.002)


def gzipped(request, out):
    data = events(request) if request.streams else whole(request)
    head = SSE if request.streams else JSON
    data = gzip.compress(data)
    out.raw(head + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(data) + data)


def informed(interim, times=1):
    """The good answer behind interim ones."""

    def script(request, out):
        out.raw(interim * times + wire(request))

    return script


def redirect(status):
    """To the very same server, at a path that no call of the gate has."""

    def script(request, out):
        there = f"http://{request.header('host')}/stolen"
        out.raw(f"HTTP/1.1 {status} There\r\nlocation: {there}\r\ncontent-length: 0\r\n\r\n".encode())

    return script


def status(line, body=True):
    """The good answer under another status line."""

    def script(request, out):
        data = wire(request)
        head, _, rest = data.partition(b"\r\n")
        out.raw(line + b"\r\n" + (rest if body else b"content-length: 0\r\n\r\n"))
        out.cut()

    return script


def with_length(change):
    """The good answer with a content-length that says so many bytes more or less than there are."""

    def script(request, out):
        data = events(request) if request.streams else whole(request)
        out.raw((SSE if request.streams else JSON) + b"content-length: %d\r\n\r\n" % (len(data) + change) + data)
        let_arrive(request, out, data)
        out.cut()

    return script


def coded(*parts):
    """An answer in chunked coding that is the row's own: parts are sent as they are."""

    def script(request, out):
        data = b"".join(part(request) if callable(part) else part for part in parts)
        out.raw((SSE if request.streams else JSON) + CHUNKED + data)
        let_arrive(request, out, data)
        out.cut()

    return script


def body_of(request):
    return events(request) if request.streams else whole(request)


def headed(lines):
    """The good answer with more header lines."""

    def script(request, out):
        first, _, rest = wire(request).partition(b"\r\n")
        out.raw(first + b"\r\n" + lines + rest)
        out.cut()

    return script


def endless_head(request, out):
    """Header lines without end."""
    out.raw(b"HTTP/1.1 200 OK\r\n")
    while True:
        out.raw(b"x-more: " + b"a" * 8000 + b"\r\n")


def other_type(kind):
    """The good answer under a content type that is none of its own."""

    def script(request, out):
        out.raw(b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\n\r\n" + body_of(request))
        out.cut()

    return script


def by_connection(request, out):
    """The good answer, framed by the end of the connection."""
    out.raw((SSE if request.streams else JSON) + b"\r\n" + body_of(request))
    out.cut()


def old_http(request, out):
    out.raw((SSE if request.streams else JSON).replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n" + body_of(request))
    out.cut()


def lf_head(request, out):
    """The good answer behind a head whose lines end in LF alone."""
    head, _, rest = wire(request).partition(b"\r\n\r\n")
    out.raw(head.replace(b"\r\n", b"\n") + b"\n\n" + rest)
    out.cut()


def the_other_form(request, out):
    """JSON where a stream was asked for, and a stream where it was not."""
    out.raw((JSON if request.streams else SSE) + b"\r\n" + (whole(request) if request.streams else events(request)))
    out.cut()


def twice(seconds):
    """A second answer on the same connection that nobody asked for, and then whatever is asked."""

    def script(request, out):
        out.raw(wire(request))
        out.wait(seconds)
        out.raw(b"HTTP/1.1 408 Too Late\r\ncontent-length: 4\r\n\r\nevil")

    return script


def trailed(lines):
    """The good answer in chunks, with trailers."""

    def script(request, out):
        out.raw((SSE if request.streams else JSON) + CHUNKED + chunk(body_of(request)) + b"0\r\n" + lines + b"\r\n")
        out.cut()

    return script


def error_body(status, body, kind=b"application/json", more=b""):
    def script(request, out):
        head = b"HTTP/1.1 %d No\r\ncontent-type: " % status + kind + b"\r\n" + more
        out.raw(head + b"content-length: %d\r\n\r\n" % len(body) + body)

    return script


def cut_error(request, out):
    """An error whose body ends before its length."""
    out.raw(b"HTTP/1.1 529 Busy\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n"
            b'{"type":"error","error":{"type":"overloaded_er')  # fmt: skip
    out.cut()


def large(size):
    """One text of that many bytes in a whole answer, one event of that many in a stream."""

    def script(request, out):
        answer = scripts.stream(texts=("x" * size,)) if request.streams else scripts.message("x" * size)
        answer(request, out)

    return script


def large_of(size):
    return lambda request: sse_of(*messages.stream(request.model, ("x" * size,)))


def large_whole(size):
    return lambda request: json.dumps(messages.answer(request.model, "x" * size)).encode()


def deep(levels):
    """A whole answer of so many levels."""

    def script(request, out):
        value = json.dumps({**messages.answer(request.model), "deep": 0})
        data = value.replace('"deep": 0', '"deep": ' + "[" * levels + "]" * levels).encode()
        out.raw(JSON + b"content-length: %d\r\n\r\n" % len(data) + data)

    return script


def pause(seconds):
    """The good answer with a silence in its middle that is shorter than the limit."""

    def script(request, out):
        data = wire(request)
        at = data.find(b"event: content_block_delta") if request.streams else len(data) - 20
        out.raw(data[: at - 4])
        out.wait(seconds)
        out.raw(data[at - 4 :])

    return script


def late(seconds):
    """The good answer after a silence that is shorter than the limit."""

    def script(request, out):
        out.wait(seconds)
        out.raw(wire(request))

    return script


def lingering(request, out):
    """All of a stream, on a connection that is then left open in mid-answer."""
    out.raw(SSE + CHUNKED + chunk(events(request)))
    out.wait(120)


# Servers that are broken before they get a request


class Server:
    """Does one thing with each connection to a port of 127.0.0.1."""

    def __init__(self, serve, backlog=128):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self._listener.getsockname()[1]
        self._serve = serve
        self._open = []
        if serve:
            threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
                self._open.append(sock)
                self._serve(sock)
            except OSError:
                if self._listener.fileno() < 0:
                    return

    def close(self):
        self._listener.close()
        for sock in self._open:
            sock.close()


class Nobody:
    """A port of 127.0.0.1 that is taken, and on which nobody listens."""

    def __init__(self):
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]

    def close(self):
        self._sock.close()


def full():
    """A server whose queue is full: connections to it never come about."""
    server = Server(None, backlog=0)
    for _ in range(4):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", server.port))
        server._open.append(sock)
    return server


def plain_text(sock):
    sock.recv(65536)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def reset_at_hello(sock):
    sock.recv(65536)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def closed_at_hello(sock):
    sock.recv(65536)
    sock.close()


def silent(sock):
    """The connection is there, and nothing is ever said on it."""


def old_tls(context):
    """The same certificate, by a version of TLS that nobody should speak any more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context
