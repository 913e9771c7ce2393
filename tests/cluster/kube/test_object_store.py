"""The informer's copy: whoever replays its changes has the same copy."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cluster.kube.store import Change, ChangeKind, Entry, ObjectStore

KEYS = st.sampled_from(["a", "b", "c", "d"])
ENTRIES = st.integers(1, 5).map(lambda n: Entry(resource_version=str(n), value=n))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("list"), st.dictionaries(KEYS, ENTRIES)),
        st.tuples(st.just("put"), st.tuples(KEYS, ENTRIES)),
        st.tuples(st.just("remove"), KEYS),
    )
)


@given(steps=STEPS)
def test_replaying_every_change_rebuilds_the_store(steps: list) -> None:
    """No mutation is silent, a relist's deletions included, and no change lies about before."""
    store: ObjectStore[int] = ObjectStore()
    replayed: dict[str, int] = {}
    for what, how in steps:
        if what == "list":
            changes = store.replace_all(how)
        elif what == "put":
            changes = store.put(*how)
        else:
            changes = store.remove(how)
        for change in changes:
            assert change.before == replayed.get(change.key)
            if change.after is None:
                del replayed[change.key]
            else:
                replayed[change.key] = change.after

        assert {key: store.get(key) for key in replayed} == replayed
        assert store.values() == tuple(replayed[key] for key in sorted(replayed))


def test_a_relist_names_what_came_what_changed_and_what_went() -> None:
    """Deletions come first, so that a rebuilt namesake is never taken for the old object."""
    store: ObjectStore[str] = ObjectStore()
    old = Entry(resource_version="1", value="old")
    store.replace_all({"gone": old, "kept": old, "changed": old})

    new = Entry(resource_version="2", value="new")
    changes = store.replace_all({"kept": old, "changed": new, "came": new})

    assert changes == [
        Change(key="gone", before="old", after=None),
        Change(key="changed", before="old", after="new"),
        Change(key="came", before=None, after="new"),
    ]
    assert [change.kind for change in changes] == [
        ChangeKind.DELETED,
        ChangeKind.UPDATED,
        ChangeKind.ADDED,
    ]
