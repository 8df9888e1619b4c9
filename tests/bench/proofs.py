"""7. The proofs of the tests over larger loads: nobody gets more than there is, and every call is booked once.

One web server with a pool of four processes, then two web servers that share a Redis, in namespaces where they can be
made. 64 clients in 8 processes ask again as soon as they have an answer.
"""

import collections
import time
import traceback

import rig
from lib import field, limits, messages, redis
from lib.proc import wait_until

SECONDS = 20
KILL_SECONDS = 20

# Within a minute the slots of killed processes are free, and their calls are booked with the next call.
FREE_S = 60
SLOTS = 48


class Watched(field.Field):
    """Remembers what the clients of the last load have seen."""

    seen = None

    def end(self, plans):
        self.seen = super().end(plans)
        return self.seen


def above(used, most):
    return max(0, used - int(most))


def over_requests(seen):
    return above(len(seen.good), limits.most(field.RPM, seen.seconds))


def over_tokens(seen):
    return above(seen.tokens, limits.most(field.TPM, seen.seconds))


def over_at_once(seen):
    return above(limits.surely_at_once(seen, field.PACE_S), field.AT_ONCE)


PROOFS = {
    "requests beyond a minute's": (field.prove_requests, over_requests),
    "tokens beyond a minute's": (field.prove_tokens, over_tokens),
    "calls beyond those at once": (field.prove_at_once, over_at_once),
}


def proved(what, proof, *args, **size):
    """Whether it holds; why not goes to standard error."""
    try:
        proof(*args, **size)
        return True
    except AssertionError:
        rig.say(f"proofs: {what} does not hold")
        traceback.print_exc()
        return False


def prove(place, servers):
    for what, (proof, over) in PROOFS.items():
        good = proved(what, proof, servers, seconds=SECONDS)
        yield (f"{what}, {place}", f"{over(servers.seen)}", "0", good)
        yield ("  calls let in, refused", "{}, {}".format(*let_in(servers.seen)), "", None)
    good = proved("money", field.prove_money, servers, seconds=SECONDS)
    spent = limits.sums_of(books_of(servers, "money"))["cost_usd"]
    over = above(spent, field.MONTH_NANOUSD) / limits.NANOUSD
    yield (f"money beyond a budget, {place}", f"${over:g}", "$0", good)
    yield ("  calls let in, refused", "{}, {}".format(*let_in(servers.seen)), "", None)


def let_in(seen):
    return len(seen.good), sum(seen.refused.values())


def books_of(servers, workspace):
    return [line for line in servers.books.lines() if line["workspace"] == workspace]


def kill_during(servers, key, model):
    """A load in which processes are killed one after the other; what was seen, and how many of them were."""
    running = servers.begin(key, model, seconds=KILL_SECONDS, refusals=0)
    kills = 0
    while time.time() < running[0].begin + KILL_SECONDS:
        servers.servers[0].kill_worker()
        kills += 1
    return servers.end(running), kills


def taken_slots(server, key):
    """How many of the slots of a key are still taken when nobody is there."""
    body = messages.body("slow-model", stream=True)
    calls = [server.post(body, headers=server.auth(key)) for _ in range(SLOTS)]
    taken = sum(call.read_head().status != 200 for call in calls)
    for call in calls:
        call.read()
    return taken


def measure_kills(servers):
    server, books = servers.servers[0], servers.books
    key, few = servers.add_key(), servers.add_key(concurrent=SLOTS)
    seen, kills = kill_during(servers, key, "echo-model")
    kills += kill_during(servers, few, "slow-model")[1]
    time.sleep(FREE_S)
    taken = taken_slots(server, few)
    ids = {answer.request_id for answer in seen.good}
    try:
        wait_until(lambda: ids <= set(books.ids(key)), 10, "all calls to be booked")
    except AssertionError:
        rig.say("proofs: calls are missing in the ledger")
    times = collections.Counter(books.ids(key))
    wrong = len(ids - set(times)) + sum(count - 1 for count in times.values())
    good = proved("the ledger", books.adds_up, key) and proved("the ledger", books.verify)
    yield (f"lines lost or double after {kills} times kill -9", f"{wrong}", "0", wrong == 0 and good)
    yield ("  answers, lines, of these of calls that were cut off",
           f"{len(ids)}, {times.total()}, {sum(line['end'] == 'lost' for line in books.lines(key))}", "", None)
    yield ("  slots still taken a minute later", f"{taken}", "0", taken == 0)


def measure_one(upstream):
    servers = Watched(field.Server(upstream.url))
    try:
        yield from prove("one web server", servers)
        yield from measure_kills(servers)
    finally:
        servers.close()


def measure_two(upstream):
    separate = redis.can_separate()
    places = [redis.Namespace(), redis.Namespace()] if separate else [redis.Here(), redis.Here()]
    store = redis.Redis({place.address for place in places} - {redis.Here.address}).start()
    servers = Watched(*(
        field.Server(upstream.url, place, workers=2, store=store.url(place.address), store_timeout_s=10)
        for place in places
    ))
    try:
        yield from prove("two that share Redis" if separate else "two on one loopback that share Redis", servers)
    finally:
        for part in [servers, store, *places]:
            part.close()


def measure(upstream):
    yield from measure_one(upstream)
    yield from measure_two(upstream)
