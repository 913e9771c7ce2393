"""How each kind of component is built; every one ends with a move into place."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.commands import BuildError, Progress, run
from toolchain.prerequisites import Tools
from toolchain.recipe import Component, Kind
from toolchain.store import Store

# Pinned, because what Maven takes otherwise depends on Maven's own version.
COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """What a builder needs besides the component.

    Attributes:
        recipe: the folder of the recipe files.
        environ: the environment its commands run in.
    """

    recipe: Path
    store: Store
    tools: Tools
    environ: Mapping[str, str]

    def go_environ(self) -> dict[str, str]:
        """Give the environment for Go: static binaries, no other Go than the one that was found."""
        # The user's GOFLAGS (say, -mod=vendor) are meant for the user's modules.
        return {**self.environ, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": ""}


def build(component: Component, bench: Workbench, progress: Progress) -> list[str]:
    """Build `component`; gives the paths it consists of, relative to the store's folder.

    Raises:
        BuildError: a command failed or a checksum differs.
    """
    bench.store.log(component).unlink(missing_ok=True)
    return _BUILDERS[component.kind](component, bench, progress)


def _go(component: Component, bench: Workbench, progress: Progress) -> list[str]:
    built = bench.store.partial(component) / component.name
    # -mod=readonly: a build that needs more than go.mod and go.sum name must fail, not amend them.
    command = [bench.tools.go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-v"]
    command += ["-ldflags", _link_flags(component), "-o", str(built), component.package]
    run(
        command,
        folder=bench.recipe / "kubernetes",
        environ=bench.go_environ(),
        log=bench.store.log(component),
        progress=progress,
    )
    return _placed_program(component, bench.store, built)


def _go_install(component: Component, bench: Workbench, progress: Progress) -> list[str]:
    _module_folder(component, bench)
    partial = bench.store.partial(component)
    command = [bench.tools.go, "install", "-trimpath", "-buildvcs=false", "-v"]
    command += ["-ldflags", _link_flags(component), f"{component.package}@v{component.version}"]
    run(
        command,
        folder=partial,  # outside any module, so that no go.mod of ours has a say
        environ={**bench.go_environ(), "GOBIN": str(partial)},
        log=bench.store.log(component),
        progress=progress,
    )
    return _placed_program(component, bench.store, partial / component.name)


def _maven(component: Component, bench: Workbench, progress: Progress) -> list[str]:
    if component.pom is None:
        raise BuildError(f"{component.name}: the recipe names no pom")
    partial = bench.store.partial(component)
    jars = partial / "jars"
    command = [bench.tools.maven, "-B", "-f", str(component.pom), COPY_DEPENDENCIES]
    command += ["-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    run(
        command,
        folder=partial,
        environ=bench.environ,
        log=bench.store.log(component),
        progress=progress,
    )
    _check_jars(jars, component.pom.parent / "jars.sha256")
    home = partial / "home"
    (_jmeter_home if component.name == "jmeter" else _plain_home)(jars, home)
    bench.store.place(home, component.name)
    return [component.name]


def _files(component: Component, bench: Workbench, progress: Progress) -> list[str]:
    del progress  # a handful of small files
    source = _module_folder(component, bench) if component.module else bench.recipe
    partial = bench.store.partial(component)
    paths = []
    for destination, original in component.files.items():
        copied = partial / Path(destination).name
        copied.write_bytes(
            (source / original).read_bytes()
        )  # not copy: the module cache is read-only
        bench.store.place(copied, f"share/{destination}")
        paths.append(f"share/{destination}")
    return paths


_BUILDERS: dict[Kind, Callable[[Component, Workbench, Progress], list[str]]] = {
    Kind.GO: _go,
    Kind.GO_INSTALL: _go_install,
    Kind.MAVEN: _maven,
    Kind.FILES: _files,
}


def _link_flags(component: Component) -> str:
    return " ".join(["-s", "-w", *(f"-X {value}" for value in component.link_values)])


def _placed_program(component: Component, store: Store, built: Path) -> list[str]:
    store.place(built, f"bin/{component.name}")
    return [f"bin/{component.name}"]


def _module_folder(component: Component, bench: Workbench) -> Path:
    """Fetch the component's module and compare its checksum with the recipe's."""
    answer = subprocess.run(
        [bench.tools.go, "mod", "download", "-json", f"{component.module}@v{component.version}"],
        cwd=bench.store.folder,
        env=bench.go_environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        raise BuildError(f"{component.module}: cannot be fetched: {answer.stdout}{answer.stderr}")
    module = json.loads(answer.stdout)
    if module["Sum"] != component.module_sum:
        raise BuildError(
            f"{component.module}@v{component.version}: its checksum is {module['Sum']}, "
            f"toolchain.toml says {component.module_sum}; do not build it before you know why"
        )
    return Path(module["Dir"])


def _check_jars(jars: Path, sums: Path) -> None:
    """Compare the jars with the list `sums` (the format of sha256sum), neither more nor less."""
    expected = {}
    for line in sums.read_text(encoding="utf-8").splitlines():
        digest, name = line.split()
        expected[name.removeprefix("*")] = digest
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in jars.glob("*.jar")}
    different = sorted(
        name for name in expected.keys() | found if expected.get(name) != found.get(name)
    )
    if different:
        raise BuildError(
            f"{', '.join(different)}: not as {sums} says; after a change of version write the list "
            f"anew: (cd {jars} && sha256sum *.jar) > {sums}"
        )


def _plain_home(jars: Path, home: Path) -> None:
    home.mkdir()
    jars.replace(home / "lib")


def _jmeter_home(jars: Path, home: Path) -> None:
    """Lay the jars out as JMeter's launcher expects (`NewDriver`: bin, lib, lib/ext, lib/junit)."""
    for folder in ("bin", "lib/ext", "lib/junit"):
        (home / folder).mkdir(parents=True)
    with zipfile.ZipFile(next(jars.glob("ApacheJMeter_config-*.jar"))) as configuration:
        members = [name for name in configuration.namelist() if name.startswith("bin/")]
        configuration.extractall(home, members)
    next(jars.glob("ApacheJMeter-*.jar")).replace(home / "bin/ApacheJMeter.jar")
    for jar in jars.glob("*.jar"):
        jar.replace(
            home / ("lib/ext" if jar.name.startswith("ApacheJMeter_") else "lib") / jar.name
        )
    jars.rmdir()
