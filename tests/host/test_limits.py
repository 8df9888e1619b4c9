"""Limits, budgets and books under load, under kill -9 and over restarts: nobody gets more than there is, and what was
used is booked once, to the token and to the nano-dollar.

The loads are small here. What they prove stands in lib.field, for loads of any size.
"""

import threading
import time

import pytest
from lib import checks, limits, messages, scripts
from lib.field import (
    AT_ONCE, PROCESSES, THREADS, Field, Server, prove_at_once, prove_money, prove_requests, prove_tokens, sections,
)
from lib.limits import Books
from lib.proc import wait_until
from standalone import Gate


@pytest.fixture(scope="module")
def field(upstream):
    made = Field(Server(upstream.url))
    yield made
    made.close()


@pytest.fixture
def gates(upstream):
    """Makes scratch gates, and ends them with the test."""
    made = []

    def make(**options):
        made.append(Gate(upstream.url, **options))
        return made[-1].start()

    yield make
    for one in made:
        one.close()


# Many clients at once

ON_FIELD = pytest.mark.xdist_group("limits-field")


@ON_FIELD
def test_requests_a_minute(field):
    prove_requests(field)


@ON_FIELD
def test_tokens_a_minute(field):
    prove_tokens(field)


@ON_FIELD
def test_money(field):
    prove_money(field)


@ON_FIELD
def test_calls_at_once(field):
    prove_at_once(field)


class Crowd:
    """Counts how many calls are at the upstream at once. One is counted as gone before its answer is sent."""

    def __init__(self, stay):
        self.stay = stay
        self.lock = threading.Lock()
        self.inside = self.most = 0

    def __call__(self, request, out):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        out.wait(self.stay)
        with self.lock:
            self.inside -= 1
        scripts.message()(request, out)


@ON_FIELD
def test_calls_at_once_at_the_upstream(field, upstream, model):
    """As many as may be are there, and never more."""
    crowd = Crowd(stay=0.02)
    upstream.on(model, crowd)
    key = field.add_key("at once")
    seen = field.run(key, model=model)
    assert set(seen.refused) == {"rate_limit_error"}
    assert crowd.most == AT_ONCE
    assert len(seen.good) > 2 * AT_ONCE
    assert field.servers[0].ask(key, model).status == 200
    field.books.wait(seen.answers + 1, key)
    field.books.verify()


# Killed

# So long a process that has died counts as one that may yet end its calls.
HOLD_S = 45


def booked_once(lines, seen, kills):
    """Each answer that a client got whole has one line: as it was, or as lost where its process was killed between the
    end of the answer and the settlement."""
    by_id = {line["request_id"]: line for line in lines}
    assert len(by_id) == len(lines)
    for answer in seen.good:
        line = by_id[answer.request_id]
        if line["end"] == "lost":
            assert any(answer.sent - 1 < when < answer.answered + 1 for when in kills), line
            continue
        assert line["end"] == "done"
        assert (line["input_tokens"], line["output_tokens"]) == (answer.input_tokens, answer.output_tokens)
    in_flight = PROCESSES * THREADS * len(kills)
    assert sum(line["end"] == "lost" for line in lines) <= in_flight


@pytest.mark.xdist_group("limits-killed")
def test_killed_workers(upstream, model, gate, seconds=4):
    """What was settled is booked, what was in flight is booked as lost, and its slots are free within a minute."""
    field = Field(Server(upstream.url))
    try:
        killed_under_load(field, upstream, model, gate, seconds)
    finally:
        gate.set()
        field.close()


def killed_under_load(field, upstream, model, gate, seconds):
    host, books = field.servers[0], field.books
    key, few = field.add_key(), field.add_key(concurrent=3)
    running = field.begin(key, seconds=seconds, refusals=0)
    kills = []
    while time.time() < running[0].begin + seconds:
        kills.append(host.kill_worker())
    seen = field.end(running)
    assert kills and seen.good
    for sent, failed, why in seen.wrong:
        assert any(sent - 1 < when < failed + 1 for when in kills), why

    upstream.on(model, scripts.steady(gate))
    body = messages.body(model, stream=True)
    streams = [host.post(body, headers=host.auth(few)) for _ in range(3)]
    for stream in streams:
        assert stream.until("content_block_delta")
    assert limits.refusal(host.post(body, headers=host.auth(few)).read()) == "rate_limit_error"
    kills += [host.kill_worker() for _ in range(host.pool.workers)]
    for stream in streams:
        assert checks.explicit_end(stream, 10) != "message_stop"
    gate.set()
    host.until_let_in(few, body, 60)
    # By then every one of them counts as dead, and the next call sees to it that theirs are booked.
    wait_until(lambda: time.time() > kills[-1] + HOLD_S, HOLD_S + 1, "all holders to be dead")
    assert host.ask(few).status == 200

    ids = {answer.request_id for answer in seen.good}
    wait_until(lambda: ids <= set(books.ids(key)), 10, "all calls to be booked")
    wait_until(lambda: [line["end"] for line in books.lines(few)].count("lost") == 3, 10, "three calls to be lost")
    booked_once(books.lines(key), seen, kills)
    books.adds_up(key)
    books.verify()


def let_in(call_one, count):
    """Calls so often; how many of the calls were let in."""
    statuses = [call_one().status for _ in range(count)]
    assert set(statuses) <= {200, 429}, statuses
    return statuses.count(200)


def test_everything_killed(gates, rpm=20):
    """Buckets, numbers and books go on where they were, although nobody had the time to put anything away."""
    gate = gates(workers=2, sections=sections(rpm=rpm))
    books = Books(gate.site)

    def call():
        with gate.post(messages.body("echo-model")) as one:
            return one.read()

    begun = time.time()
    count = rpm + 5
    good = let_in(call, count)
    for _ in range(3):
        books.settled(count)
        gate.proc.kill()
        gate.start()
        good += let_in(call, 10)
        count += 10
    took = time.time() - begun
    assert rpm <= good <= limits.most(rpm, took)
    lines = books.wait(count)
    assert sum(line["end"] == "done" for line in lines) == good
    books.verify()


# Budgets over time


def ask(gate):
    with gate.post(messages.body("echo-model")) as call:
        return call.read()


def spent_in(books):
    return limits.sums_of(books.lines())["cost_usd"]


PERIODS = pytest.mark.parametrize("period", ["budget_day", "budget_month"])


@PERIODS
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_budget_outlives_a_restart(gates, period, how):
    budget = 2_000_000
    gate = gates(workers=2, sections=sections(**{period: limits.dollars(budget)}))
    books = Books(gate.site)
    _, left, _ = limits.told(limits.exhaust(lambda: ask(gate), books))
    assert 0 < left < budget
    if how == "stopped":
        gate.stop()
    else:
        gate.proc.kill()
    gate.start()
    again = ask(gate)
    assert limits.told(again)[:2] == (budget, left)
    wait_until(lambda: spent_in(books) == budget - left, 10, "what was spent to stand in the ledger")
    books.verify()


@PERIODS
def test_budget_is_changed_while_it_is_used(gates, period):
    """A new budget counts from the next call on, and knows what was spent before it was there."""
    gate = gates(workers=2, sections=sections())
    books = Books(gate.site)

    def budget(nanousd):
        gate.site.sections = sections(**({period: limits.dollars(nanousd)} if nanousd else {}))
        gate.site.write_conf()
        return ask(gate)

    for _ in range(5):
        assert ask(gate).status == 200
    lines = books.wait(5)
    spent = spent_in(books)
    one = limits.nanousd(lines[0]["reserved_usd"])

    assert limits.told(budget(spent + one - 1)) == (spent + one - 1, one - 1, one)
    assert budget(spent + one).status == 200
    books.settled(7)
    assert limits.told(ask(gate)) == (spent + one, one - spent // 5, one)
    assert limits.told(budget(spent // 2)) == (spent // 2, 0, one)
    assert budget(0).status == 200
    assert budget(10 * spent + one).status == 200
    books.wait(11)
    books.verify()


# Other ways of hosting


@pytest.mark.modes(["apache-cgi", "apache-fcgid", "apache-htaccess", "lighttpd-cgi", "lighttpd-bin-path"])
def test_processes_share_limits(host, upstream, model):
    """Of six calls at once three are let in, whichever processes they come to, and the books know all of them."""
    upstream.on(model, scripts.message(after=0.2))
    key = host.site.add_key(rpm=3)
    body = messages.body(model)
    calls = [host.post(body, headers=host.auth(key)) for _ in range(6)]
    statuses = sorted(call.read().status for call in calls)
    assert statuses == [200] * 3 + [429] * 3
    books = Books(host.site)
    lines = books.wait(6, key)
    assert sum(line["limit"] == "key requests" for line in lines) == 3
    books.adds_up(key)
    books.verify()


FOREIGN = (("anthropic-ratelimit-requests-limit", "77"), ("anthropic-ratelimit-tokens-remaining", "77"))
LIMITED = scripts.send(200, messages.answer("m"), scripts.JSON_HEADERS + FOREIGN)
ANSWERS = {
    "message": (200, "/v1/messages", {}, scripts.message()),
    "stream": (200, "/v1/messages", {"stream": True}, scripts.stream()),
    "count": (200, "/v1/messages/count_tokens", {}, scripts.send(200, {"input_tokens": 9})),
    "limits-of-the-upstream": (200, "/v1/messages", {}, LIMITED),
    "error-of-the-upstream": (529, "/v1/messages", {}, scripts.error(529, "overloaded_error", "Overloaded", FOREIGN)),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_headers_of_an_answer(host, upstream, model, answer):
    status, path, members, script = ANSWERS[answer]
    upstream.on(model, script)
    key = host.site.add_key(rpm=2, tpm=70_000)
    call = host.post(messages.body(model, **members), path, host.auth(key)).read()
    assert call.status == status, call.body
    assert limits.gauges(call, 2, 70_000)["requests"] == 1


def test_headers_of_a_refusal(host, upstream, model):
    key = host.site.add_key(rpm=1, tpm=70_000)
    assert host.post(messages.body(model), headers=host.auth(key)).read().status == 200
    call = host.post(messages.body(model), headers=host.auth(key)).read()
    checks.refused(call, 429, "rate_limit_error", f"1 requests per minute of key {key.id}", model)
    assert 50_000 < limits.wait_ms(call) <= 60_000
    assert limits.gauges(call, 1, 70_000)["requests"] == 0
    assert len(upstream.requests(model)) == 1
