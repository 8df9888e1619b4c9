"""1. Small calls behind lighttpd against lighttpd's own mod_proxy to the same upstream."""

import statistics

import rig

ROUNDS = 4
SECONDS = 4


def measure(upstream):
    gate = rig.Gate(upstream, threads=128).start()
    proxy = rig.Proxy(upstream)
    ours, theirs, cpu_us = [], [], []
    rig.wrk(gate.port, gate.key, 1)
    rig.wrk(proxy.port, proxy.key, 1)
    for n in range(ROUNDS):
        before = rig.cpu_s(gate.pool.proc.pid)
        seen = rig.wrk(gate.port, gate.key, SECONDS)
        cpu_us.append((rig.cpu_s(gate.pool.proc.pid) - before) * 1e6 / seen["requests"])
        reference = rig.wrk(proxy.port, proxy.key, SECONDS)
        if seen["bad"] or reference["bad"]:
            raise RuntimeError(f"calls failed: {seen} {reference}")
        ours.append(seen["per_s"])
        theirs.append(reference["per_s"])
        rig.say(f"calls: {ours[-1]:.0f}/s, mod_proxy {theirs[-1]:.0f}/s, {cpu_us[-1]:.0f} us of CPU in the program")
    booked = sum(1 for _ in open(next(gate.site.state.glob("ledger-*.jsonl"))))
    gate.close()
    proxy.close()
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))
    yield ("calls behind lighttpd, as a share of mod_proxy's", f"{ratio:.2f}", ">= 0.75", ratio >= 0.75)
    yield ("  requests/s: ours, mod_proxy's", f"{statistics.median(ours):.0f}, {statistics.median(theirs):.0f}", "", None)
    yield ("  CPU of the program per call", f"{statistics.median(cpu_us):.0f} us", "", None)
    yield ("  calls booked in the ledger", f"{booked}", "", None)
