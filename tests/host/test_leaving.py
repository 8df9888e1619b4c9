"""How soon clients that leave are noticed: at once where the host tells, else at the second ping."""

import time

import pytest
from lib import messages, scripts
from lib.proc import Proc

# commit_s and ping_s of the test's config, and what a busy machine may add.
PING_S = 1
SLACK_S = 1


def limit_silent(host):
    """How soon a client that left a started, silent answer is noticed. The first ping goes into the void."""
    return 1 if host.tells_after_head else 2 * PING_S + SLACK_S


def closed_within(request, left, limit):
    took = request.wait_closed(limit + 10) - left
    assert took <= limit, f"the upstream's connection was closed {took:.2f} s after the client left"


def leave(call, how):
    return call.reset() if how == "reset" else call.leave()


@pytest.mark.parametrize("how", ["close", "reset"])
def test_before_the_first_token(host, upstream, model, gate, how):
    """The upstream is silent, and the client has seen the answer start and a ping."""
    upstream.on(model, scripts.silent(gate))
    call = host.post(messages.body(model, stream=True))
    request = upstream.wait_request(model)
    assert call.next_event(limit=10).name == "ping"
    closed_within(request, leave(call, how), limit_silent(host))


def test_before_the_answer_has_started(host, upstream, model, gate):
    upstream.on(model, scripts.silent(gate))
    call = host.post(messages.body(model, stream=True))
    request = upstream.wait_request(model)
    limit = 1 if host.tells_before_head else 3 * PING_S + SLACK_S
    closed_within(request, call.leave(), limit)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_midway_in_silence(host, upstream, model, gate, how):
    upstream.on(model, scripts.silent_midway(gate))
    call = host.post(messages.body(model, stream=True))
    assert call.until("content_block_delta")
    request = upstream.wait_request(model)
    closed_within(request, leave(call, how), limit_silent(host))


def test_midway_in_a_running_stream(host, upstream, model, gate):
    upstream.on(model, scripts.steady(gate))
    call = host.post(messages.body(model, stream=True))
    assert call.until("content_block_delta")
    request = upstream.wait_request(model)
    closed_within(request, call.leave(), 1)


@pytest.mark.modes(["lighttpd-socket", "lighttpd-bin-path"])
def test_over_http_2(host, upstream, model, gate):
    """There lighttpd tells at once, even before the answer has started."""
    upstream.on(model, scripts.silent(gate))
    url = f"http://127.0.0.1:{host.port}/v1/messages"
    argv = ["curl", "-sSN", "--http2-prior-knowledge", "-d", messages.body(model, stream=True).decode(), url]
    for name, value in host.auth():
        argv += ["-H", f"{name}: {value}"]
    curl = Proc(argv, host.site.dir / "curl.log")
    request = upstream.wait_request(model)
    left = time.monotonic()
    curl.kill()
    closed_within(request, left, 1)


@pytest.mark.modes(["lighttpd-socket", "apache-proxy", "nginx"])
def test_the_next_call_is_served(host, upstream, model, gate):
    """Many that leave hold no thread."""
    upstream.on(model, scripts.silent(gate))
    calls = [host.post(messages.body(model, stream=True)) for _ in range(20)]
    upstream.wait_request(model, len(calls))
    for call in calls:
        assert call.next_event(limit=10).name == "ping"
    left = max(call.leave() for call in calls)
    for request in upstream.requests(model):
        closed_within(request, left, limit_silent(host) + 1)
    begun = time.monotonic()
    assert host.post(messages.body("echo-model")).read().status == 200
    assert time.monotonic() - begun < 2
