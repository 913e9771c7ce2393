"""Pod and node files: both kinds are read, and every kind of nonsense is one clear line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.catalogue import Catalogue
from energy.errors import InputError
from simulator.fleet import read_fleet
from simulator.pod_file import read_pods

PODS = "name,cpu_millicores,memory_mebibytes,arrival_seconds,lifetime_seconds\n"
NODES = "name,cpu_millicores,memory_mebibytes,server\n"
OPENB = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,"
    "creation_time,deletion_time,scheduled_time\n"
)


def written(tmp_path, text):
    """A file with this text."""
    path = tmp_path / "input.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_openb_rows_give_sizes_and_lifetimes(tmp_path):
    """Lifetime is deletion minus scheduled; a GPU pod counts by CPU and memory."""
    text = OPENB + "a,12000,16384,1,1000,,LS,Running,0,100,10\nb,500,64,0,0,,BE,Pending,5,,\n"
    first, second = read_pods(written(tmp_path, text)).records

    assert (first.cpu_millicores, first.memory_mebibytes, first.lifetime_seconds) == (
        12000,
        16384,
        90.0,
    )
    assert second.lifetime_seconds is None


def test_our_rows_may_stay_for_ever(tmp_path):
    """An empty lifetime is an infinite one."""
    (only,) = read_pods(written(tmp_path, PODS + "a,100,64,5,\n")).records

    assert only.lifetime_seconds == float("inf")
    assert only.pod().requests.memory_bytes == 64 * 2**20


def test_pods_of_openb_belong_to_their_shape(tmp_path):
    """It names no workloads: size and quality of service stand in for one."""
    rows = "a,500,64,0,0,,LS,Running,0,9,0\nb,500,64,0,0,,BE,Running,0,9,0\n"
    rows += "c,500,64,1,9,,LS,Running,0,9,0\n"
    pods = [record.pod() for record in read_pods(written(tmp_path, OPENB + rows)).records]

    assert [pod.owner.name for pod in pods] == ["500m-64Mi-LS", "500m-64Mi-BE", "500m-64Mi-LS"]
    assert {pod.owner.kind for pod in pods} == {"Shape"}


def test_our_pods_belong_to_the_workload_that_the_file_names(tmp_path):
    """The columns are optional, and so is the cell."""
    head = PODS.strip() + ",workload,qos\n"
    named, bare = read_pods(written(tmp_path, head + "a,1,1,0,,web,LS\nb,1,1,0,,,\n")).records
    (old,) = read_pods(written(tmp_path, PODS + "a,1,1,0,\n")).records

    assert (named.pod().owner.name, named.qos) == ("web", "LS")
    assert bare.pod().owner is None
    assert old.owner is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        (PODS, "no pods below the header"),
        ("name,cpu_millicores\na,1\n", "missing columns memory_mebibytes"),
        (PODS + "a,-100,64,0,1\n", "holds '-100', not a number from 0"),
        (PODS + "a,1e300,64,0,1\n", "holds '1e300', not a number from 0"),
        (PODS + "a,1,64,1e300,1\n", "arrival_seconds holds '1e300'"),
        ("name,name\n", "missing columns"),
        (PODS + "a,nan,64,0,1\n", "not a finite number"),
        (PODS + "a,inf,64,0,1\n", "not a finite number"),
        (PODS + "a,many,64,0,1\n", "'many', not a number"),
        (PODS + "a,1.5,64,0,1\n", "not a whole number"),
        (PODS + "a,1,64,0\n", "4 cells under 5 columns"),
        (PODS + ",1,64,0,1\n", "not a pod's name"),
        (PODS + "a,1,64,0,1\na,1,64,0,1\n", "two pods are named a"),
        (PODS + "a,1,64,nan,1\n", "arrival_seconds"),
        (OPENB + "a,1,64,0,0,,LS,Running,0,5,10\n", "not a time after scheduled_time"),
    ],
)
def test_a_pod_file_that_cannot_be_used_is_one_line(tmp_path, text, complaint):
    """The line says what is wrong and where."""
    with pytest.raises(InputError, match=complaint) as caught:
        read_pods(written(tmp_path, text))

    assert "\n" not in str(caught.value)
    assert "input.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        (NODES, "no nodes below the header"),
        (NODES + "a,0,64,\n", "holds '0', not a number above 0"),
        (NODES + "a,1000,64,abacus\n", "holds 'abacus', not a server"),
        (NODES + "a,1000,64,\na,1000,64,\n", "not a name of its own"),
        (NODES + "a,1000,-3,\n", "holds '-3', not a number from 0"),
    ],
)
def test_a_node_file_that_cannot_be_used_is_one_line(tmp_path, text, complaint):
    """The line says what is wrong and where."""
    with pytest.raises(InputError, match=complaint) as caught:
        read_fleet(written(tmp_path, text), Catalogue.shipped(), np.random.default_rng(1))

    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path):
    """It is named, with the system's reason."""
    with pytest.raises(InputError, match="no such file"):
        read_pods(tmp_path / "absent.csv")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300) | st.text(max_size=200).map(lambda t: (PODS + t).encode()))
def test_any_bytes_at_all_are_read_or_refused(tmp_path, content):
    """No input of any kind raises anything but the one clear line."""
    path = tmp_path / "any.csv"
    path.write_bytes(content)
    catalogue = Catalogue.shipped()
    for read in (read_pods, lambda p: read_fleet(p, catalogue, np.random.default_rng(1))):
        line = refusal(read, path)
        assert "\n" not in line


def refusal(read, path):
    """What reading is refused with, or nothing."""
    try:
        read(path)
    except InputError as error:
        return str(error)
    return ""


def test_nodes_without_a_server_get_a_curve_scaled_to_their_cores(tmp_path):
    """The same seed draws the same servers; watts grow with the cores of the node."""
    path = written(tmp_path, NODES + "a,64000,65536,\nb,8000,65536,\nc,64000,65536,\n")
    first = read_fleet(path, Catalogue.shipped(), np.random.default_rng(3))
    again = read_fleet(path, Catalogue.shipped(), np.random.default_rng(3))

    assert first.profiles == again.profiles
    assert first.profiles[0].peak_watts > first.profiles[1].peak_watts
    assert (
        first.profiles[0].trust
        < Catalogue.shipped().servers[first.profiles[0].name].profile().trust
    )


def test_a_node_larger_than_its_server_is_refused(tmp_path):
    """Watts of a small server over many CPUs would make the node look good."""
    path = written(tmp_path, NODES + "a,64000,65536,dell-poweredge-r720-e5-2660\n")
    with pytest.raises(InputError, match="at most the CPUs of dell-poweredge-r720-e5-2660"):
        read_fleet(path, Catalogue.shipped(), np.random.default_rng(1))
