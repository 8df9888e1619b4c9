"""What a row of the table is: a fault of an upstream's, or a deed of a client's."""

import dataclasses
import re

# How a fault is met: by a call that is not streamed, by one that is, and by one that has a second target.
PARTS = ("whole", "stream", "other")


@dataclasses.dataclass(frozen=True)
class Fault:
    """What an upstream does, and the outcome of each part; None where the fault is none of such a call's.

    The second target answers well. It is asked without streaming where the fault has an outcome there.
    """

    name: str
    does: object = None
    whole: object = None
    stream: object = None
    other: object = None
    # What the client has to get: all of it, or all before an error event. None: the good answer, or events of it.
    gets: object = None
    # The name of a server that is broken by itself, or to which the fault belongs.
    server: str = None
    # The gate closes the connection by itself.
    cancels: bool = False
    # The fewest and the most seconds that pass before the outcome; 0: no more than a busy machine takes.
    least_s: float = 0
    most_s: float = 0
    # Not a byte of an answer comes: on a connection that was kept, the gate asks once more on a new one.
    unheard: bool = False
    # It takes seconds in which nothing happens.
    waits: bool = False
    # More to be true of the call: a function (lab, call, line).
    also: object = None

    def parts(self):
        return [part for part in PARTS if getattr(self, part)]

    def expected(self, host, part):
        return _choices(getattr(self, part))

    def streams(self, part):
        return part == "stream" or (part == "other" and not self.whole)

    def model(self, part):
        """The model by which the part is asked for."""
        return re.sub("[^a-z0-9]+", "-", f"{self.name} {part}".lower()).strip("-")


@dataclasses.dataclass(frozen=True)
class Deed:
    """What a client does: a function (lab, model) that returns the outcome. becomes: that, or a function of the host."""

    name: str
    does: object
    becomes: object
    waits: bool = False

    def parts(self):
        return ["call"]

    def expected(self, host, part):
        return _choices(self.becomes(host) if callable(self.becomes) else self.becomes)


def _choices(outcome):
    return outcome if isinstance(outcome, tuple) else (outcome,)
