"""Targets that fail: who is asked next, how long is waited, and what the client, the ledger and the header tell of it."""

import time

import pytest
from conftest import MODES, RECOMMENDED
from lib import checks, grammar, messages, ports, scripts, upstream as scripted
from lib.proc import wait_until

# Two upstreams in `us`, one in `eu`, one that nothing listens at.
SECTIONS = """
upstream "first" {{ kind = "anthropic" url = "{url}" api_key_file = "{provider_key}" regions = {{ "us" }} any_model = true }}
upstream "second" {{ kind = "anthropic" url = "{url}/second" api_key_file = "{provider_key}" regions = {{ "us" }} }}
upstream "far" {{ kind = "anthropic" url = "{url}/far" api_key_file = "{provider_key}" regions = {{ "eu" }} }}
upstream "dead" {{ kind = "anthropic" url = "http://127.0.0.1:@dead@" api_key_file = "{provider_key}" regions = {{ "us" }} }}
model "two" {{ target "first" {{ id = "a" }} target "second" {{ id = "b" }} target "far" {{ id = "c" }} }}
model "shared" {{ target "first" {{ id = "a" weight = 9 }} target "second" {{ id = "b" weight = 1 }} }}
model "dead-first" {{ target "dead" {{ id = "a" }} target "second" {{ id = "b" }} }}
model "all-dead" {{ target "dead" {{ id = "a" }} }}
workspace "default" {{ rpm = 0 tpm = 0 }}
"""
BUSY = scripts.error(529, "overloaded_error", "Overloaded")


# Each is started in one worker only.
GATES = [pytest.param(name, marks=pytest.mark.xdist_group("failover-" + name)) for name in RECOMMENDED]


def start(name, **options):
    server = scripted.Upstream()
    sections = SECTIONS.replace("@dead@", str(ports.free_port()))
    gateway = MODES[name](server.url, sections=sections, commit_s=30, **options).start()
    gateway.scripted = server
    return gateway


@pytest.fixture(scope="module", params=GATES)
def gateway(request):
    gateway = start(request.param, retry_s=3)
    yield gateway
    gateway.close()
    gateway.scripted.close()


@pytest.fixture(params=GATES)
def resting(request):
    """A gateway with nothing in its past, over two processes."""
    gateway = start(request.param, cooldown_s=5)
    yield gateway
    gateway.close()
    gateway.scripted.close()


@pytest.fixture
def server(gateway):
    before = len(gateway.scripted.requests())
    gateway.scripted.since = lambda: gateway.scripted.requests()[before:]
    yield gateway.scripted
    for name in ("a", "b", "c"):
        gateway.scripted.on(name, scripts.default)


def asked(server):
    return [request.model for request in server.since()]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_next_target(gateway, server, status, stream):
    server.on("a", scripts.error(status, "api_error", "no"))
    call = gateway.post(messages.body("two", stream))
    assert (grammar.fold(call) if stream else call.read().json())["model"] == "b"
    assert asked(server) == ["a", "b"]
    assert call.headers["postern-tried"] == f"first={status}"
    line = gateway.site.ledger_line(call.headers["request-id"])
    assert (line["upstream"], line["tried"], line["status"]) == ("second", f"first={status}", 200), line


def test_nothing_failed(gateway, server):
    call = gateway.post(messages.body("two")).read()
    assert "postern-tried" not in call.headers
    assert gateway.site.ledger_line(call.headers["request-id"])["tried"] is None


def test_shares(gateway, server):
    """Most calls go to the first, some to the second; where one fails the other is asked."""
    for _ in range(400):
        assert gateway.post(messages.body("shared")).read().status == 200
        if len(asked(server)) >= 20 and set(asked(server)) == {"a", "b"}:
            break
    assert asked(server).count("a") > asked(server).count("b") > 0
    server.on("a", BUSY)
    for _ in range(8):
        assert gateway.post(messages.body("shared")).read().json()["model"] == "b"


def test_no_connection(gateway, server):
    call = gateway.post(messages.body("dead-first")).read()
    assert call.status == 200 and call.headers["postern-tried"] == "dead=up-connect"


@pytest.mark.parametrize("status", [400, 404, 413])
def test_what_no_other_would_do_better(gateway, server, status):
    server.on("a", scripts.error(status, "invalid_request_error", "no"))
    call = gateway.post(messages.body("two")).read()
    assert call.status == status and asked(server) == ["a"] and "postern-tried" not in call.headers


def test_never_across_regions(gateway, server):
    server.on("a", BUSY).on("b", BUSY)
    call = gateway.post(messages.body("two")).read()
    checks.refused(call, 529, "overloaded_error", "Overloaded")
    assert set(asked(server)) == {"a", "b"}


@pytest.mark.parametrize("stream", [False, True])
def test_tries_again(gateway, server, stream):
    """All targets fail at first; in the second round the first one is there again."""
    server.on("a", BUSY, scripts.default).on("b", BUSY)
    call = gateway.post(messages.body("two", stream))
    assert (grammar.fold(call) if stream else call.read().json())["model"] == "a"
    assert asked(server) == ["a", "b", "a"]
    assert call.headers["postern-tried"] == "first=529, second=529"
    times = [request.time for request in server.since()]
    assert times[2] - times[1] >= 0.1, times


def test_the_time_is_used_up(gateway, server):
    """Waits grow; after retry_s nothing is begun anew, and the last error is the answer."""
    server.on("a", BUSY)
    began = time.monotonic()
    call = gateway.post(messages.body("a")).read()
    assert 0.5 < time.monotonic() - began < 10
    checks.refused(call, 529, "overloaded_error", "Overloaded")
    count = len(asked(server))
    assert 3 <= count <= 8
    assert call.headers["postern-tried"] == ", ".join(["first=529"] * count)
    assert gateway.site.ledger_line(call.headers["request-id"])["end"] == "up-error"


def test_retry_after_is_waited_for(gateway, server):
    server.on("a", scripts.error(429, "rate_limit_error", "slow", (("retry-after", "1"),)), scripts.default)
    call = gateway.post(messages.body("a")).read()
    assert call.status == 200, call.body
    first, second = [request.time for request in server.since()]
    assert second - first >= 1


def test_retry_after_beyond_the_time(gateway, server):
    """The client is told at once, and may wait itself."""
    server.on("a", scripts.error(429, "rate_limit_error", "slow", (("retry-after", "60"),)))
    call = gateway.post(messages.body("a")).read()
    checks.refused(call, 429, "rate_limit_error", "slow")
    assert call.headers["retry-after"] == "60" and asked(server) == ["a"]


def test_own_account_is_not_tried_again(gateway, server):
    server.on("a", scripts.error(401, "authentication_error", "no")).on("b", scripts.error(403, "permission_error", "no"))
    call = gateway.post(messages.body("two")).read()
    checks.refused(call, 502, "api_error")
    assert call.headers["x-should-retry"] == "false"
    assert asked(server) == ["a", "b"]
    assert call.headers["postern-tried"] == "first=up-credential, second=up-credential"


def test_nothing_behind_the_first_event(gateway, server):
    server.on("a", scripts.truncated("cut"))
    call = gateway.post(messages.body("two", True))
    checks.error_event(call, "api_error")
    assert asked(server) == ["a"]


def test_cut_before_the_first_event(gateway, server):
    server.on("a", scripts.dropped("reset"))
    assert grammar.fold(gateway.post(messages.body("two", True)))["model"] == "b"


def test_many_at_once(gateway, server):
    """Waiting calls hold no other."""
    server.on("a", BUSY)
    calls = [gateway.post(messages.body("a")) for _ in range(8)]
    quick = gateway.post(messages.body("two")).read()
    assert quick.status == 200 and quick.json()["model"] == "b"
    for call in calls:
        checks.refused(call.read(), 529, "overloaded_error")


def models_asked(gateway, count, name="two"):
    """Who answers so many calls, and who was asked for each."""
    told = []
    for _ in range(count):
        before = len(gateway.scripted.requests())
        call = gateway.post(messages.body(name)).read()
        told.append(([r.model for r in gateway.scripted.requests()[before:]], call.headers.get("postern-tried")))
    return told


def test_what_fails_rests(resting):
    """All processes know it after five failures; then one call finds out whether it is there again."""
    resting.scripted.on("a", BUSY)
    assert models_asked(resting, 5) == [(["a", "b"], "first=529")] * 5
    began = time.monotonic()
    told = models_asked(resting, 8)
    if time.monotonic() - began < 1:
        assert told == [(["b"], "first=rests")] * 8
    resting.scripted.on("a", scripts.default)
    wait_until(lambda: models_asked(resting, 1) == [(["a"], None)], 10, "a probe that goes well")
    assert models_asked(resting, 5) == [(["a"], None)] * 5
    assert "it fails and is asked last" in resting.text() and "it answers again" in resting.text()


def test_all_rest(resting):
    """Then they are asked all the same, since nobody else is there."""
    resting.scripted.on("a", BUSY).on("b", BUSY)
    models_asked(resting, 6)
    resting.scripted.on("b", scripts.default)
    assert models_asked(resting, 1)[0][0][-1] == "b"


def test_one_alone_never_rests(resting):
    resting.scripted.on("a", BUSY)
    assert models_asked(resting, 8, "a") == [(["a"], "first=529")] * 8
    resting.scripted.on("a", scripts.default)
    assert models_asked(resting, 1, "a") == [(["a"], None)]


def test_a_client_s_fault_is_no_failure(resting):
    resting.scripted.on("a", scripts.error(400, "invalid_request_error", "no"))
    models_asked(resting, 8)
    resting.scripted.on("a", scripts.default)
    assert models_asked(resting, 1) == [(["a"], None)]
