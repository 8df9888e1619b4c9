"""Real web servers with the program behind them, started once per worker and way of hosting."""

import pathlib
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lib import clouds, hosts, messages, upstream as scripted  # noqa: E402
from lib.closing import close_all  # noqa: E402

MODES = {mode.name: mode for mode in [*hosts.ALL, hosts.ApacheHtaccessFolder]}

# Faults that have nothing to do with the host are tried on the recommended one of each server.
RECOMMENDED = ["lighttpd-socket", "apache-proxy"]


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures time, so that nothing else may run beside it")
    config.addinivalue_line("markers", "modes(names): the ways of hosting that the test is for, instead of all")
    config.addinivalue_line("markers", "settings(options): options of postern.conf that the test needs otherwise")
    config.addinivalue_line("markers", "clouds: the upstreams are those of lib.clouds, as host.clouds")


def pytest_generate_tests(metafunc):
    if "host" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("modes")
        metafunc.parametrize("host", marker.args[0] if marker else [mode.name for mode in hosts.ALL], indirect=True)


def pytest_collection_modifyitems(items):
    """All tests of one way of hosting run in one worker, and those of one set of options after each other."""
    for item in items:
        if "host" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("-".join(map(str, _started_as(item)))))
    items.sort(key=lambda item: str(_started_as(item)) if "host" in item.fixturenames else "")


def _started_as(item):
    """What a running host is found again by: its way of hosting and its options."""
    marker = item.get_closest_marker("settings")
    options = dict(marker.kwargs) if marker else {}
    if item.get_closest_marker("clouds"):
        options["clouds"] = True
    return item.callspec.params["host"], tuple(sorted(options.items()))


@pytest.fixture(scope="session")
def upstream():
    server = scripted.Upstream()
    yield server
    server.close()


@pytest.fixture(scope="session")
def running(upstream):
    """The hosts that this worker has started so far."""
    started = {}
    yield started
    close_all((host.name, host) for host in started.values())


def _start_among_clouds(name, options):
    """A host whose upstreams are clouds; their secrets, too, may stand in no log."""
    among = clouds.Clouds()
    host = MODES[name]("", sections=among.sections(), **options)
    host.clouds = among
    host.site.given_keys += among.secrets()
    return host.start()


@pytest.fixture
def host(request, running, upstream):
    wanted = _started_as(request.node)
    if wanted not in running:
        name, options = wanted[0], dict(wanted[1])
        running[wanted] = _start_among_clouds(name, options) if options.pop("clouds", None) else (
            MODES[name](upstream.url, **options).start())
    yield running[wanted]
    running[wanted].check_logs()


@pytest.fixture
def model():
    """A model name that is this test's own, by which the upstream finds the test's script."""
    return messages.unique_model()


@pytest.fixture
def gate():
    """Something for an upstream's script to wait for; set at the end whatever happens."""
    event = threading.Event()
    yield event
    event.set()
