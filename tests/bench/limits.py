"""6. What limits cost: a take and a settlement by themselves, and small calls behind lighttpd with limits and without.

The limits are there and never reached: every call is counted, reserved, priced and settled, and none is refused.
"""

import statistics
import subprocess

import rig
from lib import postern, proc, redis

PROCESSES, CALLS, RUNS = 4, 10000, 5
STEP_MAX_US = 10

ROUNDS, SECONDS = 6, 3
SHARE_MIN = 0.95

REDIS_CALLS = 5000
REDIS_ROUNDS = 2

# A take and a settlement; the lines that a second has brought go to Redis a hundred at a time, for its totals.
COMMANDS_MAX = 2.05

UNLIMITED = "rpm = 0\n    tpm = 0\n"
LIMITED = "rpm = 10000000\n    tpm = 10000000000\n    concurrent = 10000\n    budget_day = 100000\n    budget_month = 1000000\n"
KEY_LIMITS = {"rpm": 10000000, "tpm": 10000000000, "concurrent": 10000, "budget_day": 100000, "budget_month": 1000000}


def limited(upstream, **options):
    """A gate that limits, and its key."""
    sections = postern.SECTIONS.replace(UNLIMITED, LIMITED, 1)
    gate = rig.Gate(upstream, threads=128, workers=2, sections=sections, **options)
    gate.site.key = gate.site.add_key(**KEY_LIMITS)
    return gate.start()


def steps(calls, processes=1, port=None):
    """One run of the micro-benchmark in a new folder; every call must stand in the totals afterwards."""
    folder = rig.remove_at_exit(proc.scratch_dir())
    words = [rig.BUILD / "limits", folder / "state", processes, calls, *([port] if port else [])]
    done = subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, timeout=120)
    seen = rig.numbers(done.stdout, "take_ns")
    if seen["booked"] != calls * processes:
        raise RuntimeError(f"{seen['booked']} calls in the totals of {calls * processes}")
    return seen


def measure_steps():
    runs = [steps(CALLS, PROCESSES) for _ in range(RUNS)]
    for step, name in (("take", "a take"), ("settle", "a settlement")):
        middle, rare = (statistics.median(run[step + end] for run in runs) / 1000 for end in ("_ns", "_p99_ns"))
        good = middle < STEP_MAX_US
        yield (f"{name} of {PROCESSES} processes at once, median", f"{middle:.1f} us", f"< {STEP_MAX_US} us", good)
        yield ("  longer than that in one of a hundred", f"{rare:.0f} us", "", None)


def by_turns(one, other, rounds):
    """Rates and CPU of two gates that serve by turns, each of them first in every second round."""
    seen = {one: [], other: []}
    for gate in seen:
        gate.measure(1)
    for number in range(rounds):
        for gate in (one, other) if number % 2 == 0 else (other, one):
            seen[gate].append(gate.measure(SECONDS))
    return seen[one], seen[other]


def shares(name, one, other, rounds):
    """The first gate's rate as a share of the second's, and rows about both, in this order."""
    first, second = by_turns(one, other, rounds)
    rig.say(f"{name}: " + "; ".join(f"{a[0]:.0f}/s {a[1]:.0f} us, {b[0]:.0f}/s {b[1]:.0f} us" for a, b in zip(first, second)))
    rates, costs = ([statistics.median(turn[n] for turn in turns) for turns in (first, second)] for n in (0, 1))
    rows = [
        ("  requests/s of either", "{:.0f}, {:.0f}".format(*rates), "", None),
        ("  CPU of the program per call of either", "{:.0f} us, {:.0f} us".format(*costs), "", None),
    ]
    return statistics.median(a[0] / b[0] for a, b in zip(first, second)), rows


def measure_calls(upstream):
    gates = limited(upstream), rig.Gate(upstream, threads=128, workers=2).start()
    share, rows = shares("limits", *gates, ROUNDS)
    booked = [gate.booked() for gate in gates]
    used = gates[0].site.command("ledger", "verify").stdout.splitlines()[-1]
    for gate in gates:
        gate.close()
    yield ("calls with all limits, as a share of calls without", f"{share:.2f}", f">= {SHARE_MIN}", share >= SHARE_MIN)
    yield from rows
    yield ("  calls booked in the ledger of either", "{}, {}".format(*booked), "", None)
    yield ("  the ledger and the totals of those with limits", used, "ok", used == "ok")


def commands(server):
    """How many scripts Redis has run since it started."""
    found = [line for line in server.ask("INFO", "commandstats").splitlines() if line.startswith("cmdstat_evalsha:")]
    return int(found[0].partition("calls=")[2].partition(",")[0]) if found else 0


def measure_redis(upstream):
    server = redis.Redis().start()
    seen = steps(REDIS_CALLS, port=server.port)
    for step, name in (("take", "a take"), ("settle", "a settlement")):
        yield (f"{name} in a Redis on loopback, median", f"{seen[step + '_ns'] / 1000:.0f} us", "", None)
    gates = limited(upstream, store=server.url()), limited(upstream)
    before = commands(server)
    share, rows = shares("redis", *gates, REDIS_ROUNDS)
    gates[0].booked()
    each = (commands(server) - before) / gates[0].answered
    for gate in gates:
        gate.close()
    server.close()
    yield ("  scripts run by Redis for each call", f"{each:.2f}", f"<= {COMMANDS_MAX}", each <= COMMANDS_MAX)
    yield ("calls with limits in Redis, as a share of the local store's", f"{share:.2f}", "", None)
    yield from rows


def measure(upstream):
    yield from measure_steps()
    yield from measure_calls(upstream)
    yield from measure_redis(upstream)
