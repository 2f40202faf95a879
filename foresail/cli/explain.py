"""Print an object's last decision step by step, as its status tells it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

EXAMPLE = "foresail explain prod/chat --format text"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("object", metavar="NAMESPACE/NAME", type=_object, help="the ModelDeployment")
    parser.add_argument(
        "--kubeconfig", metavar="FILE", help="default: the pod's service account, else $KUBECONFIG, else ~/.kube/config"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text is for people (default)")


def run(arguments: argparse.Namespace) -> int:
    """Print the last decision; 1 when there is none."""
    from foresail.domain.errors import ActuationError  # noqa: PLC0415 - lazy: --help is quick

    namespace, name = arguments.object
    try:
        body = asyncio.run(_read(arguments.kubeconfig, namespace, name))
    except ActuationError as error:
        print(f"{namespace}/{name} cannot be read: {error}", file=sys.stderr)
        return 1
    status = (body or {}).get("status") or {}
    if "lastDecision" not in status:
        print(_absence(namespace, name, body), file=sys.stderr)
        return 1
    if arguments.format == "json":
        print(json.dumps({"namespace": namespace, "name": name, **status}, indent=2))
    else:
        print(to_text(f"{namespace}/{name}", body or {}))
    return 0


def to_text(title: str, body: Mapping[str, Any]) -> str:
    """A decision for people: the sentence, then every rule that had a say, then the conditions that need a look."""
    status = body["status"]
    decision = status["lastDecision"]
    mode = body.get("spec", {}).get("mode", "Advisory")
    steps = decision.get("steps", [])
    width = max((len(step["rule"]) for step in steps), default=0)
    lines = [
        f"{title} ({mode}): {decision['from']} → {decision['to']} replicas, {decision['reason']}, {decision['time']}",
        decision["message"],
        "",
        *(f"  {s['rule']:<{width}}  {s['before']:>4} → {s['after']:<4} {s['reason']}: {s['message']}" for s in steps),
        *([] if steps else ["  no rule changed the number"]),
        "",
        *_capacities(status),
        *(f"  {c['type']}={c['status']} {c['reason']}: {c['message']}" for c in status.get("conditions", [])),
    ]
    return "\n".join(lines)


def _capacities(status: Mapping[str, Any]) -> list[str]:
    """What a replica of each variant is believed to rest on, and how far that may be off."""
    kinds = {entry["name"]: entry.get("capacitySource") for entry in status.get("variants", [])}
    learned = (status.get("learned") or {}).get("variants", [])
    lines = [
        f"  capacity of {entry['name']}: {kinds[entry['name']]}, ±{float(entry['deviation']):.0%}: {entry['source']}"
        for entry in learned
        if kinds.get(entry["name"]) is not None
    ]
    return [*lines, *([""] if lines else [])]


async def _read(kubeconfig: str | None, namespace: str, name: str) -> dict[str, Any] | None:
    from foresail.operator.actuate.kube import KubeClient, NotFoundError  # noqa: PLC0415

    path = f"/apis/foresail.dev/v1alpha1/namespaces/{namespace}/modeldeployments/{name}"
    async with KubeClient(kubeconfig) as kube:
        try:
            return await kube.request("GET", path)
        except NotFoundError:
            return None


def _absence(namespace: str, name: str, body: Mapping[str, Any] | None) -> str:
    if body is None:
        return f"there is no ModelDeployment {namespace}/{name}; see `kubectl get modeldeployments -A`"
    ready = next((c for c in (body.get("status") or {}).get("conditions", []) if c["type"] == "Ready"), None)
    why = f": {ready['message']}" if ready is not None else "; is the operator running?"
    return f"nothing was decided yet for {namespace}/{name}{why}"


def _object(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/NAME; write it as prod/chat")
    return namespace, name
