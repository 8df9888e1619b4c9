"""2 and 3. Event streams: a thousand at once, and what the way through the gate adds to each event."""

import statistics
import subprocess
import time

import rig

MANY = 1000
MEMORY_MAX_MB = 110
ROUNDS = 6
DELAY_MAX_US = 100


def run(port, key, streams, events, interval_us, ramp_us, limit_s, on_open=None):
    """Runs the client; calls on_open(is_over) while all streams are open."""
    command = [rig.BUILD / "streams", port, key, streams, events, interval_us, ramp_us, limit_s]
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    text = ""
    for line in child.stdout:
        text += line
        if line == "open\n" and on_open:
            on_open()
    if child.wait(limit_s + 10) != 0:
        raise RuntimeError("the client of the streams failed")
    return rig.numbers(text, "done"), text


def measure_many(upstream):
    """A thousand streams for ten seconds; the memory is read while all of them are open."""
    gate = rig.Gate(upstream, threads=MANY + 64).start()
    pid = gate.pool.proc.pid
    samples = [rig.memory(pid)]

    def watch():
        for _ in range(20):
            samples.append(rig.memory(pid))
            time.sleep(0.1)

    seen, _ = run(gate.port, gate.key, MANY, 10, 1000000, 2000, 60, watch)
    peak = rig.memory(pid)[1]
    gate.close()
    resident = max(s[0] for s in samples)
    if len(samples) == 1:
        raise RuntimeError(f"the streams were never all open at once: {seen}")
    lost = MANY - seen["done"]
    rig.say(f"{MANY} streams: {seen}; {samples[0][0]:.1f} MB at rest, {resident:.1f} MB, peak {peak:.1f} MB")
    yield (f"{MANY} streams at once: lost", f"{lost}", "0", lost == 0)
    yield ("  resident memory with all open", f"{resident:.1f} MB", f"<= {MEMORY_MAX_MB} MB", resident <= MEMORY_MAX_MB)
    yield ("  its peak", f"{peak:.1f} MB", f"<= {MEMORY_MAX_MB} MB", peak <= MEMORY_MAX_MB)
    yield ("  median delay of an event", f"{seen['median_ns'] / 1000:.0f} us", "", None)


def measure_delay(upstream):
    """A hundred streams of twenty events a second each, by turns direct and through the gate."""
    gate = rig.Gate(upstream, threads=164).start()
    shape = (100, 60, 50000, 500, 30)
    run(gate.port, gate.key, 100, 10, 50000, 500, 30)
    added, direct_us = [], []
    for _ in range(ROUNDS):
        direct, _ = run(upstream.port, "none", *shape)
        through, _ = run(gate.port, gate.key, *shape)
        if direct["done"] < 100 or through["done"] < 100:
            raise RuntimeError(f"streams were lost: {direct} {through}")
        direct_us.append(direct["median_ns"] / 1000)
        added.append(through["median_ns"] / 1000 - direct_us[-1])
        rig.say(f"100 streams: direct {direct_us[-1]:.0f} us, through the gate {through['median_ns'] / 1000:.0f} us,"
                f" p99 {direct['p99_ns'] / 1000:.0f} and {through['p99_ns'] / 1000:.0f} us")
    gate.close()
    middle = statistics.median(added)
    yield ("100 streams: median delay added per event", f"{middle:.0f} us", f"< {DELAY_MAX_US} us", middle < DELAY_MAX_US)
    yield ("  median delay of the direct connection", f"{statistics.median(direct_us):.0f} us", "", None)


def measure(upstream):
    yield from measure_delay(upstream)
    yield from measure_many(upstream)
