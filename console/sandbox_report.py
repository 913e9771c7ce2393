"""What the commands of the sandbox print: how to use it, and how it is."""

from __future__ import annotations

from shlex import quote

from rich.table import Table

from console.output import stdout
from simulator.sandbox.forecast_workloads import replayed_workloads
from simulator.sandbox.prometheus_configuration import EXTENDER_PORT
from simulator.sandbox.record import EXTENDER, FORECAST, FORECASTER, TIERS, as_json, command
from simulator.sandbox.sandbox import ComponentStatus, Sandbox, SandboxStatus

WIDTH = 12
#: What is worth a look, of what answers over HTTP.
PATHS = {
    "power_meter": "/metrics",
    TIERS: "/tiers",
    "traffic_replay": "/metrics",
    "telemetry_bridge": "/metrics",
    FORECASTER: "/forecast/shop/Deployment/web",
}
MARKS = {True: "[green]yes[/]", False: "[red]no[/]"}


def started_lines(sandbox: Sandbox, *, fresh: bool) -> list[str]:
    """Say what runs and how to reach it."""
    record = sandbox.record
    what = f"{record.node_count} simulated nodes of the fleet {record.options.fleet}"
    verb = "is ready" if fresh else "runs already"
    urls = shown_urls(sandbox)
    width = max(WIDTH, *(len(name) for name in urls))

    def line(name: str, text: str) -> str:
        return f"{name.replace('_', ' '):{width}} {text}"

    return [
        f"The sandbox {verb}: {what}, {_profiles(record.power_profile_count)}.",
        "",
        f"  export KUBECONFIG={quote(str(sandbox.kubeconfig))}",
        f"  {quote(str(sandbox.kubectl_program))} get nodes",
        "",
        *(line(name, _with_mode(name, url, sandbox)) for name, url in urls.items()),
        *(line("ask why", text) for text in _ask_why(sandbox)),
        line("state", str(sandbox.folder)),
        line("end it", command("down", sandbox.folder)),
    ]


def _with_mode(name: str, url: str, sandbox: Sandbox) -> str:
    return f"{url} (mode {sandbox.record.options.extender})" if name == EXTENDER else url


def _ask_why(sandbox: Sandbox) -> list[str]:
    """The command that explains a pod, whole where it does not find the extender by itself."""
    port = sandbox.ports.get("extenderPort")
    if port is None:
        return []
    elsewhere = f" --url {sandbox.urls[EXTENDER]}" if port != EXTENDER_PORT else ""
    return [f"negawatt extender explain NAMESPACE POD{elsewhere}"]


def shown_urls(sandbox: Sandbox) -> dict[str, str]:
    """Give what a person may want to open."""
    urls = dict(sandbox.urls)
    for name, path in PATHS.items():
        if name in urls:
            urls[name] += path
    if "kafkaPort" in sandbox.ports:
        urls["kafka"] = f"127.0.0.1:{sandbox.ports['kafkaPort']}"
    return urls


def started_document(sandbox: Sandbox, *, fresh: bool) -> dict[str, object]:
    """Give the same as JSON-ready values."""
    return {
        "started": fresh,
        "state": str(sandbox.folder),
        "kubeconfig": str(sandbox.kubeconfig),
        "kubectl": str(sandbox.kubectl_program),
        "urls": shown_urls(sandbox),
        "ports": dict(sandbox.ports),
        "nodes": sandbox.record.node_count,
        "power_profiles": sandbox.record.power_profile_count,
        "options": as_json(sandbox.record)["options"],
    }


def status_document(sandbox: Sandbox, seen: SandboxStatus) -> dict[str, object]:
    """Give the status as JSON-ready values."""
    census = seen.census
    return {
        "ready": seen.ready,
        **started_document(sandbox, fresh=False),
        "components": [
            {
                "name": one.name,
                "runs": one.runs,
                "listens": one.listens,
                "ports": dict(one.ports),
                **({"mode": one.mode, "ready": one.ready} if one.mode else {}),
                "log": str(sandbox.log(one.name)),
            }
            for one in seen.components
        ],
        "census": census
        and {
            "nodes": census.nodes,
            "ready_nodes": census.ready_nodes,
            "pods": census.pods,
            "bound_pods": census.bound_pods,
        },
    }


def show_status(sandbox: Sandbox, seen: SandboxStatus) -> None:
    """Print the status as a table and two lines."""
    table = Table(box=None, pad_edge=False)
    for column in ("component", "runs", "listens", "ports", ""):
        table.add_column(column, no_wrap=True)
    for one in seen.components:
        ports = ", ".join(str(port) for port in one.ports.values())
        table.add_row(one.name, MARKS[one.runs], MARKS[one.listens], ports, _own_word(one))
    console = stdout()
    console.print(table)
    console.print()
    census = seen.census
    if census is None:
        console.print("The API server does not answer.")
    else:
        console.print(
            f"{census.ready_nodes} of {census.nodes} nodes ready; "
            f"{census.pods} pods outside kube-system, {census.bound_pods} with a node."
        )
    console.print(f"logs: {sandbox.folder}", soft_wrap=True)
    console.print("ready" if seen.ready else "NOT ready: see above", style="bold")


def _own_word(seen: ComponentStatus) -> str:
    """What a component says of itself."""
    return f"{seen.mode}, {'ready' if seen.ready else '[red]not ready[/]'}" if seen.mode else ""


def reset_line(sandbox: Sandbox) -> str:
    """Say what a sandbox that was just reset has."""
    record = sandbox.record
    nodes = f"{record.node_count} nodes as new"
    if FORECAST not in record.options.extras:
        return f"{nodes}, no pods."
    replayed = replayed_workloads(record.start_seconds)
    pods = sum(one.replicas for one in replayed)
    return f"{nodes}; the {len(replayed)} replayed Deployments are made anew, with {pods} pods."


def _profiles(count: int) -> str:
    return f"{count} power profiles" if count else "no power profiles (no definition at hand)"
