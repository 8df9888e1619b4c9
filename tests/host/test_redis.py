"""Two web servers, each with a pool and a state folder of its own, that share one Redis: together they let in what one
of them would, and their books agree, whatever becomes of Redis meanwhile.

The web servers are in two network namespaces. Where the tests may not make any, both are on one loopback; the names of
the tests say which.
"""

import time

import pytest
from lib import checks, limits, messages, redis
from lib.field import (
    AT_ONCE, MANY, SAVED_NANOUSD, THREADS, Field, Server, prove_at_once, prove_money, prove_requests, prove_tokens,
)
from lib.proc import wait_until

# The time that Redis has for an answer: more than a busy machine may need, and little, which a client may then have to
# wait for and not much more.
PATIENT_S, SHORT_S, REFUSED_S = 10, 0.4, 4

# An upstream that nobody asks: none outside could be reached from a namespace.
NOWHERE = "http://127.0.0.1:9"


class Two(Field):
    """Redis, and two web servers, in namespaces or beside each other."""

    def __init__(self, separate):
        self.places = [redis.Namespace(), redis.Namespace()] if separate else [redis.Here(), redis.Here()]
        self.redis = redis.Redis({place.address for place in self.places} - {redis.Here.address}).start()
        super().__init__(*(self.server(place) for place in self.places))

    def server(self, place):
        return Server(NOWHERE, place, workers=2, store=self.redis.url(place.address), store_timeout_s=PATIENT_S)

    def configure(self, **options):
        """Sets options; they hold from the next call on."""
        for server in self.servers:
            server.site.options.update(options)
            server.site.write_conf()

    def close(self):
        super().close()
        for part in [self.redis, *self.places]:
            part.close()


def pytest_generate_tests(metafunc):
    separate = redis.can_separate()
    metafunc.parametrize("two", [separate], ids=["two-namespaces" if separate else "one-loopback"], indirect=True,
                         scope="module")


@pytest.fixture(scope="module")
def two(request):
    made = Two(request.param)
    yield made
    made.close()


ON_TWO = pytest.mark.xdist_group("redis")


@ON_TWO
def test_requests_a_minute(two):
    prove_requests(two)


@ON_TWO
def test_tokens_a_minute(two):
    prove_tokens(two)


@ON_TWO
def test_money(two):
    prove_money(two)


@ON_TWO
def test_calls_at_once(two):
    prove_at_once(two)


def slow_stream(host, key, **members):
    """A stream of a second or two, begun."""
    return host.post(messages.body("slow-model", stream=True, **{"max_tokens": 1, **members}), headers=host.auth(key))


def all_free(two, key, count, limit=15):
    """So many calls can be under way at once, over both web servers, and no more. A process that has not yet noticed
    that Redis is back may still say that it is away."""
    end = time.monotonic() + limit
    while True:
        calls = [slow_stream(two.servers[number % 2], key) for number in range(count)]
        for call in calls:
            call.read_head()
        away = [call for call in calls if call.status == 529]
        more = None if away else two.servers[0].ask(key)
        for call in calls:
            assert call.status in (200, 529), call.read().body
            if call.status == 200:
                assert checks.explicit_end(call, 10) == "message_stop"
        if not away:
            break
        assert time.monotonic() < end, away[0].read().body
    assert limits.refusal(more) == "rate_limit_error"


# While Redis is away


def until(two, status, limit=10):
    """Waits until both web servers answer so, whichever process a call comes to."""
    for host in two.servers:
        body, auth = messages.body("echo-model"), host.auth(two.servers[0].site.key)

        def same():
            calls = [host.post(body, headers=auth) for _ in range(THREADS)]
            return {call.read().status for call in calls} == {status}

        wait_until(same, limit, f"status {status}")


@ON_TWO
def test_restart_of_redis(two):
    """Calls meanwhile are told to come back; afterwards nothing is missing, nothing double, and no slot is held."""
    key = two.add_key("many")
    plans = two.begin(key, seconds=3, refusals=0)
    wait_until(lambda: two.books.count(key) > 0, 10, "calls under way")
    two.redis.stop()
    until(two, 529)
    refused = two.servers[0].ask(key)
    checks.refused(refused, 529, "overloaded_error")
    assert int(refused.headers["retry-after"]) >= 1
    two.redis.start()
    until(two, 200)
    before = time.time()
    seen = two.end(plans).whole()
    assert set(seen.refused) == {"overloaded_error", "rate_limit_error"}
    assert any(answer.sent > before for answer in seen.good), "no call was let in after the restart"
    wait_until(lambda: {answer.request_id for answer in seen.good} <= set(two.books.ids(key)), 20, "all lines")
    two.books.holds(key, seen)
    two.books.adds_up(key)
    all_free(two, key, MANY)
    two.books.verify()


@ON_TWO
def test_going_on_alone(two):
    """With store_away = "local" calls go on under each machine's own limits, and Redis knows of them afterwards. A
    process knows the keys that it has seen before."""
    key = two.add_key("saved")

    def let_in(host):
        wait_until(lambda: host.ask(key).status == 200, 5, "a call to be let in")

    two.configure(store_away="local")
    for host in two.servers:
        let_in(host)
    two.redis.stop()
    try:
        for host in two.servers * 5:
            let_in(host)
    finally:
        two.redis.start()
    two.books.wait(12, key)
    two.books.adds_up(key)
    two.configure(store_away="refuse")
    until(two, 200)
    last = limits.exhaust(lambda: two.servers[0].ask(key), two.books)
    wait_until(lambda: last.headers["request-id"] in two.books.ids(key), 10, "the last line")
    spent = limits.sums_of(two.books.lines(key))["cost_usd"]
    assert limits.told(last)[:2] == (SAVED_NANOUSD, SAVED_NANOUSD - spent)
    two.books.verify()


@ON_TWO
def test_slow_redis(two):
    """Nobody waits much longer than store_timeout_s, answers that have begun come to their end, and no slot stays
    taken."""
    two.configure(store_timeout_s=SHORT_S)
    key = two.add_key("many")
    streams = [slow_stream(host, key, max_tokens=9) for host in two.servers]
    for stream in streams:
        assert stream.until("content_block_delta")
    two.redis.silence()
    try:
        calls = [host.post(messages.body("echo-model"), headers=host.auth(key)) for host in two.servers * THREADS]
        for call in calls:
            checks.refused(call.read(), 529, "overloaded_error")
            assert call.end_time - call.sent_time < REFUSED_S
        for stream in streams:
            assert checks.explicit_end(stream, 5) == "message_stop"
    finally:
        two.redis.resume()
    until(two, 200)
    two.configure(store_timeout_s=PATIENT_S)
    all_free(two, key, MANY)
    wait_until(lambda: sum(line["end"] == "done" for line in two.books.lines(key)) >= 2 + MANY, 10, "all lines")
    two.books.adds_up(key)
    two.books.verify()


@pytest.mark.xdist_group("redis-killed")
def test_killed_workers(two):
    """What processes of one machine held when they were killed is free for the other one within a minute."""
    killed, other = two.servers
    key = two.add_key("at once")
    streams = [slow_stream(killed, key, max_tokens=99, text="word " * 99) for _ in range(AT_ONCE)]
    for stream in streams:
        assert stream.until("content_block_delta")
    assert limits.refusal(other.ask(key)) == "rate_limit_error"
    for _ in range(killed.pool.workers):
        killed.kill_worker()
    for stream in streams:
        assert checks.explicit_end(stream, 10) != "message_stop"
    assert limits.refusal(other.ask(key)) == "rate_limit_error"
    other.until_let_in(key, messages.body("echo-model"), 60)
    two.books.verify()


# Keys


@ON_TWO
def test_keys_are_shared(two):
    """A key is good on both as soon as it was added on one, and refused on both within a second."""
    here, there = two.servers
    key = here.site.add_key()
    for host in (there, here):
        assert host.ask(key).status == 200
    here.site.revoke(key)
    wait_until(lambda: {host.ask(key).status for host in two.servers} == {401}, 1, "the key to be refused")
    checks.refused(there.ask(key), 401, "authentication_error")
