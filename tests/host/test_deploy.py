"""The pool as deploy/ starts it: spawn-fcgi and multiwatch, with the socket on descriptor 0."""

import stat

import pytest
from lib import hosts, messages, scripts
from lib.postern import REPO, Pool
from lib.proc import WEB_USER, Proc, is_root, wait_until


class SpawnedPool(Pool):
    """The same pool by deploy/postern-spawn, which takes its settings from the environment."""

    def start(self):
        env = {
            "POSTERN_BIN": str(self.site.bin),
            "POSTERN_CONF": str(self.site.conf),
            "POSTERN_SOCKET": str(self.socket),
            "POSTERN_WORKERS": "2",
            "POSTERN_USER": WEB_USER,
        }
        self.proc = Proc([REPO / "deploy" / "postern-spawn"], self.log, env=env)
        self.proc.ready(self.socket.is_socket, 10, "the pool's socket")
        return self


class Spawned(hosts.LighttpdSocket):
    """lighttpd before that pool."""

    name = "lighttpd-spawn"

    def __init__(self, upstream_url, **options):
        super().__init__(upstream_url, **options)
        self.pool = SpawnedPool(self.site)


@pytest.fixture
def spawned(upstream):
    host = Spawned(upstream.url).start()
    yield host
    host.close()


def test_spawned_pool(spawned, upstream, model):
    mode = stat.S_IMODE(spawned.pool.socket.stat().st_mode)
    assert mode == 0o660, oct(mode)
    if is_root():
        assert spawned.pool.socket.group() == WEB_USER
    assert spawned.post(messages.body(model)).read().json() == messages.answer(model)
    call = spawned.post(messages.body(model, stream=True)).read()
    assert call.body == b"".join(messages.sse(e) for e in messages.stream(model))


def test_spawned_pool_stops(spawned, upstream, model, gate):
    """multiwatch waits for its processes as long as they take, so they have to end by themselves."""
    upstream.on(model, scripts.steady(gate))
    with spawned.post(messages.body(model, stream=True)) as call:
        assert call.until("content_block_delta")
        assert spawned.pool.stop() < 10
    spawned.pool.start()
    wait_until(lambda: spawned.post(messages.body("echo-model")).read().status == 200, 5, "the new pool")
