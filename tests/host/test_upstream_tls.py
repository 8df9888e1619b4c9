"""The upstream as it is in real life: behind TLS, by HTTP/2 or HTTP/1.1, with connections that are kept and that die."""

import contextlib
import re
import signal
import socket
import threading
import time

import pytest
from lib import checks, messages, scripts, upstream as scripted
from lib.ports import accepts, free_port
from lib.proc import Proc, scratch_dir, wait_until
from lib.rawhttp import JSON, sized
from lib.tls import Authority
from standalone import Gate

SECTIONS = """
upstream "scripted" {{
    kind = "anthropic"
    url = "{url}"
    api_key_file = "{provider_key}"
    auth = "bearer"
    regions = {{ "us" }}
    any_model = true
    ca_file = "%s"
}}
workspace "default" {{
}}
"""

NGINX = """
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log notice;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    log_format calls "$connection $connection_requests $server_protocol $status $request_length $http_authorization $uri";
    access_log {dir}/access.log calls;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    client_max_body_size 64m;
    keepalive_timeout {keepalive};
    server {{
        listen 127.0.0.1:{port} ssl {http2};
        ssl_certificate {certificate}.pem;
        ssl_certificate_key {certificate}.key;
        location / {{
            proxy_pass {url};
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_read_timeout 60s;
        }}
    }}
}}
"""


class TlsFront:
    """nginx with TLS before a scripted upstream."""

    def __init__(self, certificate, url, http2, keepalive="75s"):
        self.dir = scratch_dir()
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.text = NGINX.format(
            dir=self.dir, port=self.port, certificate=certificate, url=url, http2="http2" if http2 else "",
            keepalive=keepalive,
        )  # fmt: skip
        self.log = self.dir / "access.log"
        self.start()

    def start(self):
        conf = self.dir / "nginx.conf"
        conf.write_text(self.text)
        self.proc = Proc(["/usr/sbin/nginx", "-p", self.dir, "-e", self.dir / "start.log", "-c", conf], self.dir / "out.log")
        self.proc.ready(lambda: accepts(self.port), 10, "nginx")
        return self

    def calls(self, count):
        """The newest lines of the log, as (connection, protocol, status)."""
        lines = wait_until(
            lambda: self.log.exists() and len(self.log.read_text().splitlines()) >= count and self.log.read_text().splitlines(),
            5,
            f"{count} lines in nginx's log",
        )
        return [(line.split()[0], line.split()[2], line.split()[3]) for line in lines[-count:]]

    def stop(self):
        """Kills it, and waits for the last of its processes to have gone."""
        self.proc.kill()
        wait_until(lambda: not accepts(self.port), 5, "nginx to be gone")


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def stack():
    with contextlib.ExitStack() as stack:
        yield stack


def gate_to(stack, authority, url, ca=None, threads=2, **options):
    gate = Gate(url, sections=SECTIONS % (ca or authority.ca), threads=threads, **options)
    stack.callback(gate.close)
    return gate.start()


@pytest.fixture(params=["h2", "h1"])
def protocol(request):
    return request.param


@pytest.fixture
def front(stack, authority, upstream, protocol):
    front = TlsFront(authority.good, upstream.url, protocol == "h2")
    stack.callback(front.stop)
    return front


@pytest.fixture
def pair(stack, authority, front):
    return gate_to(stack, authority, front.url, threads=4), front


SPOKEN = {"h2": "HTTP/2.0", "h1": "HTTP/1.1"}


def test_json_and_reuse(pair, upstream, model, protocol):
    """The answer is whole, and calls that follow each other share a connection."""
    g, front = pair
    for _ in range(10):
        with g.post(messages.body(model)) as call:
            assert (call.read().status, call.json()) == (200, messages.answer(model))
    calls = front.calls(10)
    assert {(spoken, status) for _, spoken, status in calls} == {(SPOKEN[protocol], "200")}, calls
    # Threads take turns at the most, each with a connection of its own.
    assert len({connection for connection, _, _ in calls}) <= 4, calls
    assert upstream.requests(model)[-1].header("authorization").startswith("Bearer sk-upstream-")


def test_events_one_by_one(pair, upstream, model):
    """The next is sent only when the one before has arrived."""
    g, _ = pair
    gates = [threading.Event() for _ in range(12)]
    upstream.on(model, scripts.lockstep(gates))
    with g.post(messages.body(model, stream=True)) as call:
        for gate in gates:
            gate.set()
            assert call.next_event(5), call.body
        assert call.next_event(5) is None
        assert call.ended == "clean"
    sent = messages.stream(model, ["x"] * (len(gates) - 5))
    assert call.body == b"".join(messages.sse(e) for e in sent)


def test_stream_then_call_on_the_same_connection(pair, upstream, model):
    g, front = pair
    for stream in (True, False) * 5:
        with g.post(messages.body(model, stream=stream)) as call:
            assert call.read().status == 200
    assert len({connection for connection, _, _ in front.calls(10)}) <= 4


def test_body_of_32_mib(pair, upstream, model):
    g, _ = pair
    body = messages.body(model, text="x" * (32 * 1024 * 1024 - 200))
    with g.post(body) as call:
        assert call.read().status == 200
    request = upstream.requests(model)[-1]
    assert len(request.body) == len(body) and request.body == body


@pytest.mark.parametrize("when", ["before", "midway"])
def test_client_that_leaves(pair, upstream, model, gate, when):
    """The stream at the upstream is cancelled at once, and the next call is served."""
    g, front = pair
    upstream.on(model, scripts.silent(gate) if when == "before" else scripts.silent_midway(gate))
    with g.post(messages.body(model, stream=True)) as call:
        request = upstream.wait_request(model)
        if when == "midway":
            assert call.until("content_block_delta")
        left = call.leave()
    assert request.wait_closed(3) - left < 1
    for _ in range(3):
        with g.post(messages.body("other-model")) as call:
            assert call.read().status == 200


def test_error_of_the_upstream_keeps_its_words(pair, upstream, model):
    g, _ = pair
    upstream.on(model, scripts.NAMED["mock-400"])
    with g.post(messages.body(model)) as call:
        assert checks.refused(call.read(), 400, "invalid_request_error") == scripts.TOO_LONG


@pytest.mark.parametrize("how", ["cut", "reset", "clean"])
def test_truncated_stream(pair, upstream, model, how):
    g, _ = pair
    upstream.on(model, scripts.truncated(how))
    with g.post(messages.body(model, stream=True)) as call:
        assert call.until("content_block_delta")
        checks.error_event(call, "api_error")


@pytest.mark.parametrize("midway", [False, True], ids=["idle", "midway"])
def test_front_that_dies(pair, upstream, model, gate, midway):
    """A kept connection that died is no error for the next client; a running stream ends in an error event."""
    g, front = pair
    upstream.on(model, scripts.silent_midway(gate) if midway else scripts.default)
    with g.post(messages.body(model, stream=midway)) as call:
        if midway:
            assert call.until("content_block_delta")
            front.stop()
            checks.error_event(call, "api_error", limit=5)
        else:
            assert call.read().status == 200
            front.stop()
    front.start()
    for _ in range(4):
        with g.post(messages.body("other-model")) as call:
            assert call.read().status == 200, call.body


def test_front_that_reloads(pair, upstream, model, gate):
    """A graceful end of the upstream's server: a GOAWAY, or a close, with a stream running."""
    g, front = pair
    upstream.on(model, scripts.steady(gate))
    with g.post(messages.body(model, stream=True)) as call:
        assert call.until("content_block_delta")
        front.proc.send(signal.SIGHUP)
        for _ in range(4):
            with g.post(messages.body("other-model")) as other:
                assert other.read().status == 200, other.body
        gate.set()
        assert checks.explicit_end(call, 10) == "message_stop"


def test_connection_that_the_upstream_lets_go(stack, authority, upstream, protocol, model):
    """It closes kept connections after a second of quiet."""
    front = TlsFront(authority.good, upstream.url, protocol == "h2", keepalive="1s")
    stack.callback(front.stop)
    g = gate_to(stack, authority, front.url)
    for _ in range(3):
        with g.post(messages.body(model)) as call:
            assert call.read().status == 200, call.body
        quiet = time.monotonic() + 1.1
        wait_until(lambda: time.monotonic() > quiet, 2, "the connection to be closed")


def refused_with_cause_in_the_log(g, model, *causes):
    with g.post(messages.body(model)) as call:
        message = checks.refused(call.read(), 502, "api_error")
    for cause in causes:
        assert re.search(cause, g.text(), re.IGNORECASE), g.text()
        assert not re.search(cause, message, re.IGNORECASE), message
    line = g.site.ledger_line(call.headers["request-id"])
    assert (line["status"], line["end"]) == (502, "up-connect")


def test_authority_that_is_not_trusted(stack, authority, front, model):
    g = gate_to(stack, authority, front.url, ca=Authority().ca)
    refused_with_cause_in_the_log(g, model, "certificate")
    g = gate_to(stack, authority, front.url, ca="/etc/ssl/certs/ca-certificates.crt")
    refused_with_cause_in_the_log(g, model, "certificate")


@pytest.mark.parametrize("name,cause", [("other_name", "127.0.0.1"), ("expired", "expired")])
def test_certificate_that_is_no_good(stack, authority, upstream, model, name, cause):
    front = TlsFront(getattr(authority, name), upstream.url, http2=True)
    stack.callback(front.stop)
    refused_with_cause_in_the_log(gate_to(stack, authority, front.url), model, cause)
    assert not upstream.requests(model)


def test_ca_file_that_is_missing(stack, authority, front, upstream, model):
    """Without the certificates to trust there is no call, least of all one that trusts anybody."""
    g = gate_to(stack, authority, front.url, ca=authority.dir / "none.pem")
    with g.post(messages.body(model)) as call:
        call.read()
        assert call.status in (500, 502) and call.json()["error"]["type"] == "api_error"
    assert not upstream.requests(model)


def test_plain_text_on_a_tls_port(stack, authority, model):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:

        def answer():
            with contextlib.suppress(OSError):
                while True:
                    sock, _ = server.accept()
                    with sock:
                        sock.recv(65536)
                        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        g = gate_to(stack, authority, f"https://127.0.0.1:{server.getsockname()[1]}")
        refused_with_cause_in_the_log(g, model, "ssl|tls")


def test_tls_on_a_plain_text_port(stack, authority, front, model):
    g = gate_to(stack, authority, front.url.replace("https:", "http:"))
    with g.post(messages.body(model)) as call:
        checks.refused(call.read(), call.status, "invalid_request_error" if call.status == 400 else "api_error")


def test_nobody_there(stack, authority, model):
    g = gate_to(stack, authority, f"https://127.0.0.1:{free_port()}")
    refused_with_cause_in_the_log(g, model, "connect")


def test_server_that_never_finishes_its_handshake(stack, authority, model):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        g = gate_to(stack, authority, f"https://127.0.0.1:{silent.getsockname()[1]}", upstream_connect_s=1)
        begun = time.monotonic()
        refused_with_cause_in_the_log(g, model, "time")
        assert time.monotonic() - begun < 5


# Kept connections without TLS, closed at the worst moment


def second_on_a_connection(close):
    """Answers the first request of each connection; of the second one it does what `close` says, unanswered."""
    served = set()

    def script(request, out):
        if request.connection in served:
            close(out)
        served.add(request.connection)
        scripts.default(request, out)

    return script


@pytest.mark.parametrize("how", ["cut", "reset"])
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_kept_connection_closed_by_the_next_request(stack, authority, upstream, model, how, stream):
    """The close and the request pass each other on the wire: it is sent once more on a new connection."""
    upstream.on(model, second_on_a_connection(scripted.Out.cut if how == "cut" else scripted.Out.reset))
    g = gate_to(stack, authority, upstream.url)
    for _ in range(4):
        with g.post(messages.body(model, stream=stream)) as call:
            assert call.read().status == 200, call.body


class ClosesAtSecondHead:
    """Serves one request per connection and closes it, or resets it, as soon as the head of another one arrives."""

    def __init__(self, reset):
        self.reset = reset
        self.bodies = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        connection = scripted.Connection(sock)
        with contextlib.suppress(scripted.Gone):
            request = scripted._read_request(connection)
            request.model = request.json["model"]
            self.bodies.append(request.body)
            scripts.default(request, scripted.Out(request))
            while not connection.buffer:
                connection.receive()
            connection.close(reset=self.reset)

    def close(self):
        self.listener.close()


@pytest.mark.parametrize("reset", [False, True], ids=["cut", "reset"])
@pytest.mark.parametrize("size", [100, 200_000, 8_000_000])
def test_kept_connection_closed_while_the_body_goes_out(stack, authority, model, reset, size):
    server = ClosesAtSecondHead(reset)
    stack.callback(server.close)
    g = gate_to(stack, authority, server.url)
    body = messages.body(model, text="x" * size)
    for _ in range(4):
        with g.post(body) as call:
            assert call.read().status == 200, call.body
    assert server.bodies == [body] * 4


def test_upstream_that_restarts(stack, authority, model):
    first = scripted.Upstream()
    port = first.port
    g = gate_to(stack, authority, first.url)
    with g.post(messages.body(model)) as call:
        assert call.read().status == 200
    # A thread that waits in accept would take one more.
    first._listener.shutdown(socket.SHUT_RDWR)
    first.close()
    with g.post(messages.body(model)) as call:
        checks.refused(call.read(), 502, "api_error")
    second = wait_until(lambda: _again(port), 5, "the port to be free")
    stack.callback(second.close)
    for _ in range(3):
        with g.post(messages.body(model)) as call:
            assert call.read().status == 200, call.body


def _again(port):
    with contextlib.suppress(OSError):
        return scripted.Upstream(port)


def test_first_header_folded(stack, authority, upstream, model):
    """An old way to write a long header, where there is none to continue; on a thread that has served before."""
    g = gate_to(stack, authority, upstream.url)
    upstream.on(model, sized(JSON + b"content-length: SIZE\r\n\r\n"))
    upstream.on("folded", sized(b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n"))
    for _ in range(6):
        for name in (model, model, model, "folded"):
            with g.post(messages.body(name)) as call:
                assert call.read().status in (200, 502)
    assert g.proc.running()
