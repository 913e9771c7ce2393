"""Effective requests, with cases of k8s.io/component-helpers resource/helpers_test.go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.model import Resources
from cluster.quantities import Quantity, parse
from cluster.requests import ContainerRequests, effective_requests, largest, resources_of
from energy.errors import InputError

MIB = 2**20


def asks(*, restartable: bool = False, **amounts: str) -> ContainerRequests:
    """Give a container's requests."""
    parsed = {name: parse(text) for name, text in amounts.items()}
    return ContainerRequests(requests=parsed, restartable=restartable)


def cpu_of(
    *containers: ContainerRequests, init: tuple[ContainerRequests, ...] = (), overhead: str = "0"
) -> int:
    """Give the effective CPU request in millicores."""
    effective = effective_requests(containers, init, overhead={"cpu": parse(overhead)})
    return effective.requests.cpu_millicores


def test_containers_add_up_and_overhead_comes_on_top() -> None:
    """Containers run together; the sandbox costs extra."""
    assert cpu_of(asks(cpu="1"), asks(cpu="250m"), overhead="50m") == 1300


def test_the_greatest_init_container_counts_not_their_sum() -> None:
    """Init containers run one after the other, before the others start."""
    assert cpu_of(asks(cpu="1"), init=(asks(cpu="2"), asks(cpu="3"))) == 3000
    assert cpu_of(asks(cpu="5"), init=(asks(cpu="2"), asks(cpu="3"))) == 5000


def test_sidecars_count_with_the_containers_and_with_the_init_containers_after_them() -> None:
    """A restartable init container never ends ("multiple init containers with restartable")."""
    init = (
        asks(cpu="10"),
        asks(cpu="5", restartable=True),
        asks(cpu="20"),
        asks(cpu="3", restartable=True),
    )
    # While the third starts: 5 + 20; when all run: 1 + 5 + 3.
    assert cpu_of(asks(cpu="1"), init=init) == 25_000
    assert cpu_of(asks(cpu="30"), init=init) == 38_000


def test_fractions_are_rounded_once_for_the_pod_and_not_for_each_container() -> None:
    """Two containers of half a millicore ask for one millicore."""
    assert cpu_of(asks(cpu="0.5m"), asks(cpu="0.5m")) == 1


def test_scores_assume_requests_only_where_a_container_states_none() -> None:
    """A stated zero stays zero; each silent container counts 0.1 core and 200 MiB."""
    effective = effective_requests([asks(cpu="0"), asks(memory="1Mi")])
    assert effective.requests == Resources(memory_bytes=MIB)
    assert effective.nonzero_requests == Resources(cpu_millicores=100, memory_bytes=201 * MIB)


def test_requests_of_the_pod_as_a_whole_replace_the_sum_of_its_containers() -> None:
    """Only CPU, memory and huge pages may be requested for the pod; overhead still comes on top."""
    effective = effective_requests(
        [asks(cpu="1", memory="1Mi"), asks()],
        overhead={"cpu": parse("50m")},
        pod_level={"cpu": parse("3"), "example.com/gpu": parse("7")},
    )
    assert effective.requests == Resources(cpu_millicores=3050, memory_bytes=MIB)
    # On its node the pod counts as it states; while it is placed, NodeResourcesFit's score
    # looks at the containers (kube-scheduler 1.36; see ../golden/decisions.go).
    assert effective.nonzero_requests == Resources(cpu_millicores=3050, memory_bytes=MIB)
    assert effective.scored_requests == Resources(cpu_millicores=1150, memory_bytes=201 * MIB)


def test_a_pod_states_everything_or_nothing_of_a_resource() -> None:
    """Where pod and containers are silent about memory, the minimum is assumed per container."""
    effective = effective_requests([asks(), asks()], pod_level={"cpu": parse("1")})
    assert effective.nonzero_requests == Resources(cpu_millicores=1000, memory_bytes=400 * MIB)


def test_the_number_of_pods_is_no_resource_here() -> None:
    """Node sizes come as one list with `pods` in it."""
    sizes = {"cpu": parse("2"), "pods": parse("110"), "ephemeral-storage": parse("1Gi")}
    assert resources_of(sizes) == Resources(
        cpu_millicores=2000, extended={"ephemeral-storage": 2**30}
    )


def test_a_container_being_resized_holds_the_greatest_of_its_stages() -> None:
    """Resource by resource, over spec, allocation and what runs."""
    stages = (asks(cpu="1", memory="3Mi").requests, asks(cpu="2", memory="1Mi").requests)
    assert resources_of(largest(*stages)) == Resources(cpu_millicores=2000, memory_bytes=3 * MIB)


def test_a_negative_request_is_refused() -> None:
    """The quantity may be read; the request may not be made."""
    with pytest.raises(InputError, match="cpu -1 is negative"):
        effective_requests([asks(cpu="-1")])


quantities = st.integers(0, 10**6).map(lambda milli: parse(f"{milli}m"))
containers = st.builds(
    ContainerRequests,
    requests=st.dictionaries(st.sampled_from(["cpu", "memory"]), quantities),
    restartable=st.booleans(),
)


@given(st.lists(containers, min_size=1), st.lists(containers))
def test_a_pod_asks_for_no_less_than_any_moment_of_its_life(
    running: list[ContainerRequests], init: list[ContainerRequests]
) -> None:
    """Simulate the start, step by step: the effective request covers every step exactly."""
    nothing = parse("0")
    sidecars = nothing
    needed: list[Quantity] = []
    for container in init:
        cpu = container.requests.get("cpu", nothing)
        needed.append(sidecars + cpu)
        if container.restartable:
            sidecars += cpu
    together = sidecars
    for container in running:
        together += container.requests.get("cpu", nothing)
    needed.append(together)
    effective = effective_requests(running, init)
    assert effective.requests.cpu_millicores == max(each.milli_value() for each in needed)
    assert effective.nonzero_requests.cpu_millicores >= effective.requests.cpu_millicores
