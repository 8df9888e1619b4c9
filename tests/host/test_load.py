"""Many calls at once, slow clients and long silences: what a host must not turn into an error or into memory."""

import time

import pytest
from lib import checks, hosts, messages, postern, scripts
from lib.proc import wait_until


def test_many_streams_at_once(host, upstream, model, gate):
    """All of them start soon: mod_fcgid by itself starts one process a second."""
    upstream.on(model, scripts.steady(gate, gap=0.5))
    begun = time.monotonic()
    calls = [host.post(messages.body(model, stream=True)) for _ in range(12)]
    for call in calls:
        assert call.until("content_block_delta", limit=10)
    took = time.monotonic() - begun
    gate.set()
    for call in calls:
        assert call.until("message_stop")
        assert call.read().ended == "clean"
    assert took < 6


@pytest.mark.modes(["apache-fcgid", "nginx"])
def test_a_long_silence(host, upstream, model):
    """Longer than mod_fcgid and nginx let pass by default; the others' limits are minutes."""
    silence_s = {"apache-fcgid": 43, "nginx": 63}[host.name]
    upstream.on(model, scripts.message(after=silence_s))
    answer = host.post(messages.body(model)).read(limit=silence_s + 10)
    assert (answer.status, answer.json()) == (200, messages.answer(model))


@pytest.mark.modes(["lighttpd-socket", "lighttpd-bin-path", "apache-proxy", "nginx"])
def test_a_slow_client_slows_the_upstream(host, upstream, model):
    """What a client does not read is not collected anywhere; and then it gets all of it."""
    count, size = 600, 65_536
    upstream.on(model, scripts.flood(count, size))
    with host.post(messages.body(model, stream=True)) as call:
        request = upstream.wait_request(model)
        assert call.until("content_block_delta")
        standing_still(request)
        assert len(request.sent) < count / 2
        assert sum(event.name == "content_block_delta" for event in call.events()) == count - 1
        assert call.ended == "clean"


def standing_still(request):
    """Waits until nothing was sent to the gateway for a second."""
    wait_until(lambda: time.monotonic() - request.sent[-1][0] > 1, 20, "the upstream to be held up")


class Small(hosts.LighttpdSocket):
    """A pool of one process with four threads."""

    name = "lighttpd-small"

    def __init__(self, upstream_url, **options):
        super().__init__(upstream_url, **options)
        self.pool = postern.Pool(self.site, workers=1, threads=4)


def test_all_threads_busy(upstream, model, gate):
    """Who comes too many is told so at once, and not left hanging."""
    host = Small(upstream.url).start()
    try:
        upstream.on(model, scripts.steady(gate))
        calls = []
        refusal = None
        while refusal is None and len(calls) < 5:
            call = host.post(messages.body(model, stream=True)).read_head(limit=3)
            if call.status == 200:
                calls.append(call)
            else:
                refusal = call.read()
        assert len(calls) >= 2, len(calls)
        checks.refused(refusal, 529, "overloaded_error")
        gate.set()
        for call in calls:
            assert call.until("message_stop")
        wait_until(lambda: host.post(messages.body("echo-model")).read().status == 200, 5, "a free thread")
    finally:
        gate.set()
        host.close()
