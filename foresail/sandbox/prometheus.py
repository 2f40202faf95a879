"""A real Prometheus: its configuration, its backfilled past, its process."""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from foresail.domain.errors import ForesailError
from foresail.sandbox.control_plane import free_port
from foresail.sandbox.processes import Processes

READY_SECONDS = 60.0


class BackfillError(ForesailError):
    """The past could not be written; the message is what promtool said."""


def configuration(*, service_discovery_url: str | None, scrape_seconds: float, targets: Sequence[str] = ()) -> str:
    """Prometheus' configuration: engines by HTTP service discovery (whose labels become those of the series).

    `targets` are scraped besides, each at `/metrics`.
    """
    jobs: list[dict[str, Any]] = []
    if service_discovery_url is not None:
        discovery = [{"url": service_discovery_url, "refresh_interval": "1s"}]
        jobs.append({"job_name": "engines", "http_sd_configs": discovery})
    if targets:
        jobs.append({"job_name": "others", "static_configs": [{"targets": list(targets)}]})
    interval = f"{round(scrape_seconds * 1000)}ms"
    timings = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": "15s"}
    return yaml.safe_dump({"global": timings, "scrape_configs": jobs}, sort_keys=False)


def backfill(binaries: Path, *, openmetrics: Path, data: Path) -> None:
    """Write blocks of the past with promtool. Long blocks: one file each instead of one per two hours.

    Raises:
        BackfillError: promtool failed.
    """
    command: list[str | Path] = [
        binaries / "promtool",
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        "--max-block-duration=744h",
        "--quiet",
    ]
    done = subprocess.run([*command, openmetrics, data], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BackfillError(f"promtool could not write the past: {done.stderr.strip()}")


def start_prometheus(
    processes: Processes, binaries: Path, *, settings: str, data: Path, name: str = "prometheus"
) -> str:
    """Start Prometheus and wait until it is ready; its address."""
    config = processes.folder / f"{name}.yaml"
    config.write_text(settings)
    url = f"http://127.0.0.1:{free_port()}"
    command: list[str | Path] = [binaries / "prometheus", f"--config.file={config}", f"--storage.tsdb.path={data}"]
    command += [f"--web.listen-address={url.removeprefix('http://')}", "--storage.tsdb.retention.time=30d"]
    command += ["--web.enable-lifecycle", "--log.level=warn"]
    processes.start(name, command)
    processes.wait_until(name, lambda: is_ready(url), seconds=READY_SECONDS)
    return url


def is_ready(url: str) -> bool:
    """Whether Prometheus calls itself ready."""
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
