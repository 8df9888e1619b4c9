"""A scripted upstream: an HTTP/1.1 server on raw sockets that can do every fault a provider or a network has.

What it answers is chosen by the model that a request names: `upstream.on(model, script)`. A script is a function
(request, out); lib.scripts has them ready. As a program (python3 -m lib.upstream, in tests/) it serves the scripts of
lib.scripts.NAMED and prints its URL.
"""

import hashlib
import json
import select
import socket
import struct
import sys
import threading
import time

from . import messages, scripts
from .proc import wait_until


class Gone(Exception):
    """The peer closed its connection."""


class Connection:
    """One accepted connection and when its peer closed it."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""
        self.closed_at = None
        self.ours = False

    def _peer_left(self):
        if self.closed_at is None and not self.ours:
            self.closed_at = time.monotonic()
        raise Gone

    def receive(self):
        """More bytes into the buffer."""
        try:
            got = self.sock.recv(262144)
        except OSError:
            got = b""
        if not got:
            self._peer_left()
        self.buffer += got

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            self._peer_left()

    def wait(self, seconds):
        """Waits, and notices within that time that the peer left."""
        poll = select.poll()
        poll.register(self.sock, select.POLLRDHUP)
        if poll.poll(max(0, seconds) * 1000):
            self._peer_left()

    def close(self, reset=False):
        self.ours = True
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            if not reset:
                self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


class Request:
    """What the upstream got, byte for byte, and what it sent for it when."""

    def __init__(self, connection, method, path, headers):
        self.connection = connection
        self.method = method
        self.path = path
        self.headers = headers
        self.body = b""
        self.time = time.monotonic()
        self.sent = []
        self.done = threading.Event()

    def header(self, name):
        """The values of a header, joined by a comma; None when it did not come."""
        values = [v for n, v in self.headers if n.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def streams(self):
        """Whether a stream is asked for: the body says it, or the path of Bedrock's."""
        return self.path.endswith("/invoke-with-response-stream") or bool(self.body and self.json.get("stream"))

    @property
    def sha256(self):
        return hashlib.sha256(self.body).hexdigest()

    @property
    def closed_at(self):
        """When the program closed the connection that this request came on; None: not yet."""
        return self.connection.closed_at

    def wait_closed(self, limit):
        """Waits until the program has closed the connection; returns when it did."""
        return wait_until(lambda: self.closed_at, limit, "the upstream's connection to be closed")


class Out:
    """The answering side of a connection, for scripts."""

    def __init__(self, request):
        self.request = request
        self.connection = request.connection
        self.chunked = False

    def head(self, status=200, headers=(), length=None, chunked=True):
        """Status and headers. With length None the body is chunked, or else ends with the connection."""
        lines = [f"HTTP/1.1 {status} Scripted", "request-id: req_upstream"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.chunked = length is None and chunked
        if length is not None:
            lines.append(f"content-length: {length}")
        elif chunked:
            lines.append("transfer-encoding: chunked")
        else:
            lines.append("connection: close")
        self.connection.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")

    def write(self, data):
        self.connection.send(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)

    def raw(self, data):
        """Sends bytes as they are: status line, headers and framing are the script's own business."""
        self.connection.send(data)

    def event(self, event, newline="\n"):
        """Sends one event and notes when."""
        self.request.sent.append((time.monotonic(), event["type"]))
        self.write(messages.sse(event, newline))

    def end(self):
        """Ends the body as its framing says."""
        if self.chunked:
            self.connection.send(b"0\r\n\r\n")

    def wait(self, seconds):
        self.connection.wait(seconds)

    def hold(self, gate, limit=60):
        """Waits until the test sets the gate, or the peer leaves."""
        end = time.monotonic() + limit
        while not gate.is_set() and time.monotonic() < end:
            self.connection.wait(0.01)

    def cut(self):
        """Closes the connection in mid-answer, in the ordinary way."""
        self.connection.close()
        raise Gone

    def reset(self):
        """Closes it with a TCP reset."""
        self.connection.close(reset=True)
        raise Gone


class Upstream:
    """Listens on a port of 127.0.0.1 from its making until close(); behind TLS where it is given an SSLContext."""

    default = staticmethod(scripts.default)

    def __init__(self, port=0, tls=None):
        self._tls = tls
        self._rules = {}
        self._lock = threading.Lock()
        self._requests = []
        self._connections = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, model, *script):
        """Answers requests that name the model by the script; of several, one per request in turn, then the last."""
        with self._lock:
            self._rules[model] = list(script)
        return self

    def requests(self, model=None):
        """The requests whose body has arrived, of all or of one model."""
        with self._lock:
            return [r for r in self._requests if model is None or r.model == model]

    def wait_request(self, model, count=1, limit=20):
        """Waits until so many requests for the model have come; returns the newest."""
        wait_until(lambda: len(self.requests(model)) >= count, limit, f"request {count} for {model} at the upstream")
        return self.requests(model)[-1]

    def close(self):
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._shake_hands, args=(sock,), daemon=True).start()

    def _shake_hands(self, sock):
        """Does what comes before the first request. A peer that breaks it off is none."""
        if self._tls:
            try:
                sock = self._tls.wrap_socket(sock, server_side=True)
            except OSError:
                sock.close()
                return
        connection = Connection(sock)
        self._connections.append(connection)
        self._serve(connection)

    def _serve(self, connection):
        try:
            while True:
                request = _read_request(connection)
                self._answer(request)
                if (request.header("connection") or "").lower() == "close":
                    connection.close()
                    return
        except Gone:
            pass
        finally:
            if not connection.ours:
                connection.sock.close()

    def model_of(self, request):
        """The model that a request names."""
        try:
            return json.loads(request.body)["model"]
        except (ValueError, KeyError, TypeError):
            return None

    def refusal(self, request):
        """The script that answers a request which is none for this server; None for a good one."""

    def out(self, request):
        """The answering side for a request's script."""
        return Out(request)

    def _answer(self, request):
        request.model = self.model_of(request)
        refusal = self.refusal(request)
        with self._lock:
            self._requests.append(request)
            rule = [refusal] if refusal else self._rules.get(request.model, [self.default])
            script = rule.pop(0) if len(rule) > 1 else rule[0]
        try:
            script(request, self.out(request))
        finally:
            request.done.set()


def _read_request(connection):
    while b"\r\n\r\n" not in connection.buffer:
        connection.receive()
    head, connection.buffer = connection.buffer.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    method, path, _ = lines[0].split(" ", 2)
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
    request = Request(connection, method, path, headers)
    if (request.header("expect") or "").lower() == "100-continue":
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    if (request.header("transfer-encoding") or "").lower() == "chunked":
        request.body = _read_chunks(connection)
    else:
        request.body = _take(connection, int(request.header("content-length") or 0))
    return request


def _take(connection, size):
    pieces = [connection.buffer]
    have = len(connection.buffer)
    while have < size:
        connection.buffer = b""
        connection.receive()
        pieces.append(connection.buffer)
        have += len(connection.buffer)
    whole = b"".join(pieces)
    connection.buffer = whole[size:]
    return whole[:size]


def _read_chunks(connection):
    pieces = []
    while True:
        while b"\r\n" not in connection.buffer:
            connection.receive()
        line, connection.buffer = connection.buffer.split(b"\r\n", 1)
        size = int(line.split(b";")[0], 16)
        pieces.append(_take(connection, size))
        _take(connection, 2)
        if size == 0:
            return b"".join(pieces)


def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    upstream = Upstream(port)
    for model, script in scripts.NAMED.items():
        upstream.on(model, script)
    print(upstream.url, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
