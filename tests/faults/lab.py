"""A laboratory: one way of hosting with the gate behind it, its upstreams, and the faults that run through them.

All faults of a laboratory are begun together, so that those which wait do so side by side; each is then looked at by
a test of its own.
"""

import concurrent.futures
import contextlib
import threading
import time

import answers
import observe
import table
from lib import messages, tls, upstream as scripted
from lib.client import Ended
from lib.ledger import Ledger
from rows import Deed

# How many faults go at a time: those that keep the processor busy, of which many may wait for their ledger lines, and
# those in which nothing happens for seconds.
BUSY, BOOKED, WAITING = 2, 24, 24

UPSTREAM = """
upstream "{name}" {{{{
    kind = "anthropic"
    url = "{url}"
    api_key_file = "{{provider_key}}"
    regions = {{{{ {regions} }}}}
    any_model = true
    ca_file = "{ca}"
}}}}
"""
REST = """
upstream "echo" {{ kind = "echo" regions = {{ "us" }} }}
model "echo-model" {{ target "echo" {{ id = "echo-model" }} }}
workspace "default" {{ rpm = 0 tpm = 0 }}
"""


def region(server, part):
    """Each server has a region to itself, and one that it shares with the spare upstream."""
    name = server or "us"
    return f"{name}-other" if part == "other" else name


class Servers:
    """Everything that the gate may be sent to, under the names that the table uses."""

    def __init__(self):
        self.authority = tls.Authority()
        self.named = {
            "apart": scripted.Upstream(),
            "further-apart": scripted.Upstream(),
            "tls": self._tls(self.authority.good),
            "nobody": answers.Nobody(),
            "full": answers.full(),
            "self-signed": self._tls(tls.Authority().good),
            "other-name": self._tls(self.authority.other_name),
            "expired": self._tls(self.authority.expired),
            "old": scripted.Upstream(tls=answers.old_tls(self.authority.context(self.authority.good))),
            "tls-reset": answers.Server(answers.reset_at_hello),
            "tls-closed": answers.Server(answers.closed_at_hello),
            "tls-silent": answers.Server(answers.silent),
            "tls-plain": answers.Server(answers.plain_text),
        }

    def _tls(self, certificate):
        return scripted.Upstream(tls=self.authority.context(certificate))

    def urls(self):
        urls = {name: f"https://127.0.0.1:{server.port}" for name, server in self.named.items()}
        for name in ("nobody", "full", "apart", "further-apart"):
            urls[name] = urls[name].replace("https", "http")
        urls["plain-tls"] = urls["tls"].replace("https", "http")
        urls["nowhere"] = "http://no-such-host.invalid"
        return urls

    def close(self):
        for server in self.named.values():
            server.close()


def sections(servers):
    """Targets are asked in the order of the upstreams here, so that the spare one comes last."""
    urls = {"us": "{url}", **servers.urls()}
    both = [f'"{region(name, "other")}"' for name in urls]
    text = ""
    for name, url in urls.items():
        regions = f'"{name}", "{region(name, "other")}"'
        text += UPSTREAM.format(name=name, url=url, ca=servers.authority.ca, regions=regions)
    text += UPSTREAM.format(name="spare", url="{url}/spare", ca=servers.authority.ca, regions=", ".join(both))
    return text + REST


class Lab:
    def __init__(self, mode, threads=32, **options):
        self.servers = Servers()
        self.upstream = scripted.Upstream()
        options = {**table.OPTIONS, **options}
        self.host = mode(self.upstream.url, sections=sections(self.servers), **options)
        if self.host.pool:
            self.host.pool.threads = threads
        self.host.start()
        self.warm()
        self.programs = self.host.programs()
        self.ledger = Ledger(self.host.site.state)
        # Models and keys whose calls never reached the gate, or never should have an upstream.
        self.unheard = []
        self.unasked = []
        self._turns = threading.Semaphore(BUSY)
        self._busy = concurrent.futures.ThreadPoolExecutor(BOOKED)
        self._waiting = concurrent.futures.ThreadPoolExecutor(WAITING)
        self._futures = {}

    def warm(self):
        """A call, so that what the host starts at the first one is there."""
        self.serves()

    def begin(self, faults):
        for fault in sorted(faults, key=lambda one: not one.waits):
            pool = self._waiting if fault.waits else self._busy
            self._futures[fault.name] = [pool.submit(self.run, fault, part) for part in fault.parts()]

    region = staticmethod(region)

    def turn(self, fault):
        """What a fault holds while it is under way."""
        return contextlib.nullcontext() if fault.waits else self._turns

    def seen(self, fault):
        """What became of a fault: (part, outcome, why not) for each part."""
        return [seen for future in self._futures[fault.name] for seen in future.result()]

    def finish(self):
        """Waits for all that was begun."""
        concurrent.futures.wait([future for futures in self._futures.values() for future in futures])

    def run(self, fault, part):
        seen = [self.run_part(fault, part)]
        if part != fault.parts()[-1]:
            return seen
        try:
            with self.turn(fault):
                self.serves()
        except (AssertionError, Ended, OSError) as why:
            seen.append(("next call", "not served", str(why)))
        return seen

    def run_part(self, fault, part):
        try:
            if isinstance(fault, Deed):
                return part, fault.does(self, messages.unique_model("deed")), None
            return part, observe.try_upstream(self, fault, part), None
        except (AssertionError, Ended, OSError, LookupError, ValueError) as why:
            return part, "?", f"{type(why).__name__}: {why}"

    def serves(self):
        """An ordinary call is answered at once."""
        begun = time.monotonic()
        with self.host.post(messages.body("echo-model")) as call:
            assert call.read(10).status == 200, f"{call.status} {call.body[:500]!r}"
        assert time.monotonic() - begun < 10

    def close(self):
        self.finish()
        try:
            self.host.close()
        finally:
            self.upstream.close()
            self.servers.close()
