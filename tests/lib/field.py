"""Web servers under load: workspaces with limits, as many servers as share them, clients beside each of them, and
proofs over loads of any size.

A proof takes how much of it there is (see hammer.Plan): a test wants seconds, the benchmark minutes.
"""

import os
import signal
import time

from . import hosts, limits, messages, postern, redis
from .hammer import PROCESSES, THREADS, Hammer, Plan, Seen
from .limits import Books
from .proc import wait_until

RPM, TPM, AT_ONCE, MANY = 300, 6000, 5, 24
MONTH_NANOUSD, SAVED_NANOUSD = 20_000_000, 4_000_000

SECTIONS = """
upstream "scripted" {{
    kind = "anthropic"
    url = "{url}"
    api_key_file = "{provider_key}"
    regions = {{ "us" }}
    any_model = true
}}
upstream "echo" {{
    kind = "echo"
    regions = {{ "us" }}
}}
upstream "slow" {{
    kind = "echo"
    regions = {{ "us" }}
    pace_ms = 300
}}
model "echo-model" {{
    target "echo" {{ }}
    price = {{ 3.00, 15.00, 3.75, 6.00, 0.30 }}
}}
model "slow-model" {{
    target "slow" {{ }}
    price = {{ 3.00, 15.00, 3.75, 6.00, 0.30 }}
}}
rpm = 0
tpm = 0
workspace "default" {{
    DEFAULT
}}
workspace "requests" {{
    rpm = 300
}}
workspace "tokens" {{
    tpm = 6000
}}
workspace "at once" {{
    concurrent = 5
}}
workspace "many" {{
    concurrent = 24
}}
workspace "money" {{
    budget_month = 0.02
}}
workspace "saved" {{
    budget_month = 0.004
}}
"""
PACE_S = 0.3


def sections(**options):
    """The sections, with options for the workspace of the first key."""
    return SECTIONS.replace("DEFAULT", "\n    ".join(f"{name} = {value}" for name, value in options.items()))


class Server(hosts.LighttpdSocket):
    """A web server in a place of its own. Any one process of its pool could serve all clients at once: that threads
    are busy is another matter."""

    name = "lighttpd-field"

    def __init__(self, upstream_url, place=redis.Here(), workers=4, **options):
        self.place = place
        super().__init__(upstream_url, sections=sections(), **options)
        self.pool = postern.Pool(self.site, workers=workers, threads=PROCESSES * THREADS + 8)

    def start(self):
        with self.place:
            return super().start()

    def call(self, *args, **more):
        with self.place:
            return super().call(*args, **more)

    def ask(self, key, model="echo-model", **members):
        """One whole call, like those of a load."""
        return self.post(messages.body(model, max_tokens=16, **members), headers=self.auth(key)).read()


    def until_let_in(self, key, body, limit):
        """Asks as often as refusals say that it may help."""
        begun = time.monotonic()
        call = self.post(body, headers=self.auth(key)).read()
        while call.status != 200:
            assert time.monotonic() - begun < limit, f"still refused after {limit} s: {call.body!r}"
            time.sleep(limits.wait_ms(call) / 1000)
            call = self.post(body, headers=self.auth(key)).read()

    def kill_worker(self):
        """Kills a process of the pool with all its calls and waits for the one that takes its place; when it was, in
        Unix time."""
        victim = self.pool.worker_pids()[0]
        when = time.time()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in self.pool.worker_pids(), 10, "a worker to end")
        wait_until(lambda: len(self.pool.worker_pids()) == self.pool.workers, 10, "a new worker")
        return when


class Field:
    """Servers that share their limits, if they are several, and processes of clients, in the same place as theirs."""

    def __init__(self, *servers, processes=PROCESSES):
        self.servers = [server.start() for server in servers]
        self.books = Books(*(server.site for server in servers))
        self.hammers = []
        for server in servers:
            with server.place:
                self.hammers.append(Hammer(processes // len(servers)))

    def add_key(self, workspace="default", **options):
        return self.servers[0].site.add_key(workspace, **options)

    def begin(self, key, model="echo-model", **size):
        """Starts a load on all servers; end() waits until it is over."""
        body = messages.body(model, max_tokens=16).decode()
        plans = [Plan(server.port, key.text, body, **size) for server in self.servers]
        return [hammer.begin(plan) for hammer, plan in zip(self.hammers, plans)]

    def end(self, plans):
        seen = Seen()
        for hammer, plan in zip(self.hammers, plans):
            seen.add(hammer.end(plan))
        return seen

    def run(self, key, **more):
        return self.end(self.begin(key, **more)).whole()

    def close(self):
        for part in [*self.hammers, *self.servers]:
            part.close()


# Proofs


def prove_requests(field, **size):
    """No more calls are let in than a minute's requests allow, and all of those."""
    key = field.add_key("requests")
    seen = field.run(key, **size)
    assert set(seen.refused) == {"rate_limit_error"}, seen.refused
    limits.kept_to_requests(seen, RPM)
    field.books.agrees(key, seen)
    field.books.verify()


def prove_tokens(field, **size):
    """No more tokens are used than a minute's allow, and all but what one call may need."""
    key = field.add_key("tokens")
    seen = field.run(key, **size)
    assert set(seen.refused) == {"rate_limit_error"}, seen.refused
    lines = field.books.agrees(key, seen)
    limits.kept_to_tokens(seen, TPM, max(line["reserved_tokens"] for line in lines))
    field.books.verify()


def prove_at_once(field, **size):
    """Never are more calls under way than may be at once."""
    key = field.add_key("at once")
    seen = field.run(key, model="slow-model", **size)
    assert set(seen.refused) == {"rate_limit_error"}, seen.refused
    assert 0 < limits.surely_at_once(seen, PACE_S) <= AT_ONCE
    field.books.agrees(key, seen)
    field.books.verify()


def prove_money(field, **size):
    """A call reserves the most that it can cost, so that the budget holds to the last nano-dollar; and it is used up:
    what is left is less than one call may cost."""
    key = field.add_key("money")
    seen = field.run(key, **size)
    assert set(seen.refused) == {"billing_error"}, seen.refused
    field.books.agrees(key, seen)
    for server in field.servers:
        last = limits.exhaust(lambda: server.ask(key), field.books)
        wait_until(lambda: last.headers["request-id"] in field.books.ids(key), 10, "the last line")
        lines = field.books.lines(key)
        spent = limits.sums_of(lines)["cost_usd"]
        one = max(limits.nanousd(line["reserved_usd"]) for line in lines)
        assert 0 <= MONTH_NANOUSD - spent < one
        assert limits.told(last) == (MONTH_NANOUSD, MONTH_NANOUSD - spent, one)
    field.books.verify()
