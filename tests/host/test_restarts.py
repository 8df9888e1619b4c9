"""Reload and stop of the web server, and of the pool, with a stream running: the client always learns how it ended."""

import os
import signal
import time

import pytest
from lib import checks, messages, scripts
from lib.proc import wait_until

# How long a host that ends streams at a reload may take to do it: mod_fcgid's first signal comes after about
# three seconds, lighttpd's graceful-shutdown-timeout is set to two.
CUT_S = 12


@pytest.fixture
def stream(host, upstream, model, gate):
    """A stream that runs until the gate is set."""
    upstream.on(model, scripts.steady(gate))
    with host.post(messages.body(model, stream=True)) as call:
        assert call.until("content_block_delta")
        yield call


@pytest.fixture
def revived(host):
    """The host runs again after the test."""
    yield
    if host.pool and not host.pool.proc.running():
        host.pool.start()
    if not host.proc.running():
        host.start_server()


def serves(host):
    answer = host.post(messages.body("echo-model")).read()
    assert answer.status == 200, f"{answer.status} {answer.body[:500]!r}\n{host.text()}"


def finished(call, gate):
    """The stream still runs, and ends well when its upstream does."""
    assert call.next_event(limit=5).name in ("content_block_delta", "ping")
    gate.set()
    assert checks.explicit_end(call, 10) == "message_stop"
    assert call.ended == "clean"


def cut_off(call):
    """How a stream ends that its host does not let run on. Its client then closes, for which lighttpd waits."""
    end = checks.explicit_end(call, CUT_S)
    call.leave()
    return end


def test_reload(host, stream, gate):
    begun = time.monotonic()
    reloaded = host.begin_reload()
    if not host.reload_keeps:
        assert cut_off(stream) != "message_stop"
        assert time.monotonic() - begun < CUT_S
    reloaded()
    serves(host)
    assert time.monotonic() - begun < CUT_S
    if host.reload_keeps:
        finished(stream, gate)


def test_reload_in_quiet(host):
    """No thread that waits for a call keeps the server from reloading."""
    serves(host)
    begun = time.monotonic()
    host.reload()
    serves(host)
    assert time.monotonic() - begun < 6


def test_stop(host, stream, revived):
    assert host.stop_server(signal.SIGTERM) < 6
    assert cut_off(stream) != "message_stop"


def test_gentle_stop(host, stream, gate, revived):
    host.proc.send(host.gentle_signal)
    begun = time.monotonic()
    if host.gentle_stop_waits:
        finished(stream, gate)
    else:
        assert cut_off(stream) != "message_stop"
    host.proc.wait(CUT_S)
    assert time.monotonic() - begun < CUT_S


def test_stop_leaves_nothing_behind(host, stream, model, upstream, revived):
    """With the server gone, so is the call to the upstream."""
    request = upstream.wait_request(model)
    host.stop_server(signal.SIGTERM)
    assert request.wait_closed(5)


POOLED = pytest.mark.modes(["lighttpd-socket", "apache-proxy", "nginx"])


@POOLED
def test_pool_drains(host, stream, gate, revived):
    """A pool that is told to stop finishes what runs; it has five seconds."""
    host.pool.proc.send(signal.SIGTERM)
    finished(stream, gate)
    assert host.pool.proc.wait(5) == 0


@POOLED
def test_pool_ends_what_does_not_end(host, stream, revived):
    begun = time.monotonic()
    host.pool.proc.send(signal.SIGTERM)
    checks.error_event(stream, "overloaded_error", limit=8)
    assert host.pool.proc.wait(5) == 0
    drain_s = host.site.options["drain_s"]
    assert drain_s - 1 < time.monotonic() - begun < drain_s + 3


@POOLED
def test_pool_back_after_a_stop(host, revived):
    serves(host)
    host.pool.stop()
    assert host.post(messages.body("echo-model")).read().status in (500, 502, 503)
    host.pool.start()
    # lighttpd tries a host that was down again after a second or two.
    wait_until(lambda: host.post(messages.body("echo-model")).read().status == 200, 5, "the pool to be used again")


@POOLED
def test_killed_worker_is_replaced(host, revived):
    wait_until(lambda: len(host.pool.worker_pids()) == host.pool.workers, 5, "all workers")
    before = host.pool.worker_pids()
    os.kill(before[0], signal.SIGKILL)

    def replaced():
        now = host.pool.worker_pids()
        return len(now) == host.pool.workers and before[0] not in now

    wait_until(replaced, 5, "a new worker")
    for _ in range(10):
        serves(host)
