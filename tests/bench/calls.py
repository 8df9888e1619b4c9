"""1. Small calls behind lighttpd against lighttpd's own mod_proxy to the same upstream.

The upstream that counts is the HTTP server of Node, as applications have one. With the bare one in C, which costs next
to nothing itself, the figures show what the program costs by itself.
"""

import statistics

import rig

ROUNDS = 4
SECONDS = 4


def pair(upstream):
    """Both in turn: the ratios, both rates and the program's CPU per call."""
    gate = rig.Gate(upstream, threads=128, workers=2).start()
    proxy = rig.Proxy(upstream)
    ours, theirs, cpu_us = [], [], []
    rig.wrk(gate.port, gate.key, 1)
    rig.wrk(proxy.port, proxy.key, 1)
    for _ in range(ROUNDS):
        rate, cpu = gate.measure(SECONDS)
        ours.append(rate)
        cpu_us.append(cpu)
        theirs.append(rig.wrk(proxy.port, proxy.key, SECONDS)["per_s"])
        rig.say(f"calls: {ours[-1]:.0f}/s, mod_proxy {theirs[-1]:.0f}/s, {cpu_us[-1]:.0f} us of CPU in the program")
    booked = gate.booked()
    gate.close()
    proxy.close()
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))
    rates = f"{statistics.median(ours):.0f}, {statistics.median(theirs):.0f}"
    return ratio, rates, f"{statistics.median(cpu_us):.0f} us", booked


def measure(bare):
    node = rig.Upstream("node", rig.HERE / "upstream.mjs")
    ratio, rates, cpu, booked = pair(node)
    node.close()
    yield ("calls behind lighttpd, as a share of mod_proxy's", f"{ratio:.2f}", ">= 0.75", ratio >= 0.75)
    yield ("  requests/s: ours, mod_proxy's", rates, "", None)
    yield ("  CPU of the program per call", cpu, "", None)
    yield ("  calls booked in the ledger", f"{booked}", "", None)
    ratio, rates, cpu, booked = pair(bare)
    yield ("  share before a bare upstream in C", f"{ratio:.2f}", "", None)
    yield ("  requests/s there: ours, mod_proxy's", rates, "", None)
    yield ("  CPU of the program per call there", cpu, "", None)
