"""What is to be built: toolchain.toml, go.mod and the pom files, read into values."""

from __future__ import annotations

import hashlib
import platform
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from xml.etree import ElementTree as ET

RECIPE_FILES = (
    "toolchain.toml",
    "kubernetes/go.mod",
    "kubernetes/go.sum",
    "kubernetes/kustomization.yaml",
    "kubernetes/metrics-server.yaml",
    "kafka/pom.xml",
    "kafka/jars.sha256",
    "kafka/server.properties",
    "jmeter/pom.xml",
    "jmeter/jars.sha256",
)
LAYOUT = "1"  # raised when the builder lays files out or calls a tool in another way
POM = "{http://maven.apache.org/POM/4.0.0}"


class RecipeError(Exception):
    """A recipe file that cannot be read as one; the message is one line."""


class Kind(StrEnum):
    """How a component comes to be."""

    GO = "go"
    GO_INSTALL = "go-install"
    MAVEN = "maven"
    FILES = "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One thing to build.

    Attributes:
        package: the Go package (kinds `go` and `go-install`).
        module, module_sum: the Go module and its expected checksum (`go-install`, `files`).
        link_values: NAME=VALUE strings for the linker's -X.
        answers: arguments that make the program print its version.
        pom: path of the pom file (`maven`).
        files: destination below share/ -> source, below the module or the recipe (`files`).
    """

    name: str
    kind: Kind
    version: str
    module: str = ""
    module_sum: str = ""
    package: str = ""
    link_values: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    pom: Path | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_go(self) -> bool:
        """Whether building it calls the Go command."""
        return self.kind in {Kind.GO, Kind.GO_INSTALL} or bool(self.module)

    @property
    def needs_maven(self) -> bool:
        """Whether fetching it calls Maven."""
        return self.kind is Kind.MAVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All components, and the folder whose files describe them."""

    folder: Path
    components: tuple[Component, ...]
    go_version_minimum: str

    @classmethod
    def read(cls, folder: Path) -> Recipe:
        """Read the recipe in `folder`.

        Raises:
            RecipeError: a file is missing or does not say what it must.
        """
        try:
            table = tomllib.loads((folder / "toolchain.toml").read_text(encoding="utf-8"))
            go_mod = (folder / "kubernetes/go.mod").read_text(encoding="utf-8")
            versions = _Versions(folder=folder, go_mod=go_mod, modules=table["modules"])
            components = tuple(versions.component(entry) for entry in table["components"])
        except (OSError, KeyError, ValueError, ET.ParseError) as error:
            raise RecipeError(f"{folder}: the recipe cannot be read: {error!r}") from error
        minimum = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
        if minimum is None:
            raise RecipeError(f"{folder}/kubernetes/go.mod: no line `go VERSION`")
        return cls(folder=folder, components=components, go_version_minimum=minimum[1])

    def key(self, go_version: str) -> str:
        """Name the toolchain: the same files, Go and machine give the same 16 characters."""
        digest = hashlib.sha256()
        for part in (LAYOUT, go_version, platform.system(), platform.machine()):
            digest.update(part.encode() + b"\0")
        for name in RECIPE_FILES:
            content = (self.folder / name).read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Versions:
    """Where each version stands, and the components that follow from it."""

    folder: Path
    go_mod: str
    modules: Mapping[str, Mapping[str, str]]

    def component(self, entry: Mapping[str, object]) -> Component:
        name, kind = str(entry["name"]), Kind(str(entry["kind"]))
        module = str(entry.get("module", ""))
        pom = self.folder / str(entry["pom"]) if "pom" in entry else None
        if kind is Kind.GO:
            version = self.required(module)
        elif pom is not None:
            version = dependency_version(pom, str(entry["artefact"]))
        else:
            version = self.modules[module]["version"] if module else "1"
        return Component(
            name=name,
            kind=kind,
            version=version,
            module=module,
            module_sum=self.modules[module]["sum"] if module in self.modules else "",
            package=str(entry.get("package", "")),
            link_values=tuple(
                self.filled(value, version) for value in _texts(entry, "link_values")
            ),
            answers=_texts(entry, "answers"),
            pom=pom,
            files=_mapping(entry.get("files", {})),
        )

    def required(self, module: str) -> str:
        """Give the version, without its v, that go.mod requires of `module`."""
        found = re.search(rf"^\s*{re.escape(module)} v(\S+)$", self.go_mod, re.MULTILINE)
        if found is None:
            raise RecipeError(f"{self.folder}/kubernetes/go.mod: does not require {module}")
        return found[1]

    def filled(self, template: str, version: str) -> str:
        """Put the component's and Kubernetes' version numbers into `template`."""
        major, minor = version.split(".")[:2]
        kubernetes_major, kubernetes_minor = self.required("k8s.io/kubernetes").split(".")[:2]
        return template.format(
            version=version,
            major=major,
            minor=minor,
            kubernetes_major=kubernetes_major,
            kubernetes_minor=kubernetes_minor,
        )


def dependency_version(pom: Path, artefact: str) -> str:
    """Give the version of the dependency `artefact` in `pom`, properties filled in.

    Raises:
        RecipeError: there is no such dependency.
    """
    project = ET.parse(pom).getroot()  # noqa: S314 - a file of this repository
    properties = {
        node.tag.removeprefix(POM): node.text or ""
        for node in project.iterfind(f"{POM}properties/*")
    }
    for dependency in project.iter(f"{POM}dependency"):
        if dependency.findtext(f"{POM}artifactId") == artefact:
            version = dependency.findtext(f"{POM}version", "")
            return re.sub(r"\$\{(.+?)\}", lambda match: properties[match[1]], version)
    raise RecipeError(f"{pom}: has no dependency {artefact}")


def _texts(entry: Mapping[str, object], key: str) -> tuple[str, ...]:
    values = entry.get(key, [])
    if not isinstance(values, list):
        raise RecipeError(f"toolchain.toml: {entry['name']}: {key} must be a list")
    return tuple(str(value) for value in values)


def _mapping(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise RecipeError("toolchain.toml: files must be a table")
    return {str(key): str(item) for key, item in value.items()}
