"""Build what is missing of the toolchain and make it the current one.

cd deploy/local && python3 -m toolchain [--only NAME,...] [--list]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from toolchain.builders import Workbench, build
from toolchain.commands import BuildError, Progress, spoken
from toolchain.prerequisites import disk_lack, look_for
from toolchain.recipe import Component, Recipe, RecipeError
from toolchain.store import Store, cache_folder

DONE, FAILED, BAD_INPUT = 0, 1, 2
RECIPE_FOLDER = Path(__file__).resolve().parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Build; gives the exit code: 0 done, 1 a build failed or a prerequisite lacks, 2 bad usage."""
    options = _parser().parse_args(arguments)
    try:
        recipe = Recipe.read(RECIPE_FOLDER)
        components = _chosen(recipe, options.only)
    except RecipeError as error:
        print(f"toolchain: {error}", file=sys.stderr)
        return BAD_INPUT
    if options.list:
        for component in components:
            print(f"{component.name:26} {component.version:10} {component.kind}")
        return DONE
    cache = cache_folder(os.environ)
    tools = look_for(
        components,
        go_version_minimum=recipe.go_version_minimum,
        environ=os.environ,
    )
    store = Store(folder=cache / "toolchain" / recipe.key(tools.go_version))
    lacks = list(tools.missing)
    if not all(store.is_ready(component) for component in components):
        lacks += filter(None, [disk_lack(cache)])
    if lacks:
        for line in lacks:
            print(f"toolchain: {line}", file=sys.stderr)
        return FAILED
    bench = Workbench(recipe=recipe.folder, store=store, tools=tools, environ=os.environ)
    return _build_all(components, bench)


def _build_all(components: Sequence[Component], bench: Workbench) -> int:
    started = time.monotonic()
    print(f"Toolchain in {bench.store.folder}", flush=True)
    with bench.store.locked() as waited:
        if waited:
            print("Another build of it has just ended; going on from there.", flush=True)
        for position, component in enumerate(components, start=1):
            title = f"[{position:2}/{len(components)}] {component.name} {component.version}"
            if not _build_one(component, bench, Progress.of(title)):
                return FAILED
        current = bench.store.make_current()
    print(f"Ready after {spoken(time.monotonic() - started)}: {current}")
    return DONE


def _build_one(component: Component, bench: Workbench, progress: Progress) -> bool:
    if bench.store.is_ready(component):
        progress.done("is there")
        return True
    try:
        bench.store.unstamp(component)
        paths = build(component, bench, progress)
    except (BuildError, OSError) as error:
        progress.done(f"FAILED after {spoken(progress.seconds)}")
        print(f"toolchain: {component.name}: {error}", file=sys.stderr)
        print(
            "toolchain: what was built before it stays; run the same command again", file=sys.stderr
        )
        return False
    bench.store.stamp(component, paths=paths, seconds=progress.seconds)
    progress.done(f"built in {spoken(progress.seconds)}")
    return True


def _chosen(recipe: Recipe, only: str) -> list[Component]:
    names = [name for name in only.split(",") if name]
    known = {component.name: component for component in recipe.components}
    if unknown := sorted(set(names) - known.keys()):
        raise RecipeError(f"no component {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(recipe.components)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m toolchain", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--only", default="", metavar="NAME,...", help="build these components alone"
    )
    parser.add_argument(
        "--list", action="store_true", help="name the components and their versions"
    )
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ntoolchain: stopped; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
