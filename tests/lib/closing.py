"""Ending many things, each of which may have something to complain of."""


def close_all(named):
    """Closes (name, thing) pairs, all of them whatever one says, and fails with what they said."""
    failures = []
    for name, thing in named:
        try:
            thing.close()
        except AssertionError as failure:
            failures.append(f"{name}: {failure}")
    assert not failures, "\n".join(failures)
