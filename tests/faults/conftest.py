"""Laboratories, one for each way of hosting, and the table of what they have seen."""

import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS))

import report  # noqa: E402
from lab import Lab  # noqa: E402
from lib import hosts  # noqa: E402
from lib.closing import close_all  # noqa: E402

MODES = {mode.name: mode for mode in hosts.ALL}


def pytest_generate_tests(metafunc):
    if "lab" in metafunc.fixturenames:
        metafunc.parametrize("lab", list(MODES), indirect=True)


def pytest_collection_modifyitems(items):
    """All tests of one way of hosting run in one worker, those first that take the longest."""
    order = sorted(MODES, key=lambda name: not MODES[name].per_call)
    for item in items:
        if "lab" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group(item.callspec.params["lab"]))
    items.sort(key=lambda item: order.index(item.callspec.params["lab"]) if "lab" in item.fixturenames else 2.5)


@pytest.fixture(scope="session")
def labs():
    """The laboratories that this worker has opened so far."""
    opened = {}
    yield opened
    close_all((lab.host.name, lab) for lab in opened.values())


@pytest.fixture
def lab(request, labs):
    """A laboratory in which all faults that are to be looked at there have been begun."""
    name = request.param
    if name not in labs:
        labs[name] = Lab(MODES[name])
        here = [item for item in request.session.items if getattr(item, "callspec", None)]
        here = [item.callspec.params for item in here if item.callspec.params.get("lab") == name]
        labs[name].begin([params["fault"] for params in here if "fault" in params])
    return labs[name]


def pytest_runtest_logreport(report):
    if report.when == "call":
        ROWS.extend(value for name, value in report.user_properties if name == "fault")


ROWS = []


def pytest_sessionfinish(session):
    """The run's own process prints the table; workers only send their cells to it."""
    if not hasattr(session.config, "workerinput") and ROWS:
        text = report.text(ROWS, list(MODES))
        place = TESTS.parent / "build" / "results" / "faults.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        print("\n" + text, end="")
