"""The chart, by real Helm: what it renders, what it refuses, and its life on a real API server."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

import foresail
from foresail.cli.operator import add_arguments
from foresail.operator.settings import LIMITS, load_settings
from tests.conftest import ROOT, wait_for
from tests.manifests.conftest import Empty
from tests.manifests.helm import CHART, Helm, HelmError, Manifest, of_kind, only

SMALLEST: Manifest = {
    "replicas": 0,
    "watchNamespace": "team-a",
    "crds": {"install": False},
    "rbac": {"podDeletionCost": False, "aggregateToDefaultRoles": False},
    "scaleTargets": [{"group": "apps", "resource": "deployments"}],
    "podDisruptionBudget": {"enabled": False},
}
LARGEST: Manifest = {
    "image": {"repository": "registry.example.com/foresail", "digest": "sha256:" + "0" * 64, "pullPolicy": "Always"},
    "imagePullSecrets": [{"name": "pull"}],
    "replicas": 5,
    "prometheus": {
        "url": "https://prometheus.example.com/tenant",
        "tokenSecret": {"name": "prometheus", "key": "bearer"},
        "caConfigMap": {"name": "authorities", "key": "root.pem"},
    },
    "settings": {"cycle_seconds": 30, "season_seconds": 86400, "prometheus_headers": {"X-Scope-OrgID": "team"}},
    "routing": {"httpRoutes": {"enabled": True}},
    "serviceAccount": {"name": "scaler", "annotations": {"example.com/role": "scaler"}},
    "service": {"port": 80},
    "serviceMonitor": {"enabled": True, "interval": "15s", "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {
        "enabled": True,
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "egress": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
    },
    "podAnnotations": {"example.com/note": "yes"},
    "podLabels": {"example.com/team": "serving"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "infra", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "system-cluster-critical",
    "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}, "data": {"a": "b"}}],
}
EVERYTHING = [{}, SMALLEST, LARGEST]
NAMES = ["defaults", "smallest", "largest"]


def test_the_chart_passes_strict_lint(rendering: Helm) -> None:
    for values in EVERYTHING:
        assert "0 chart(s) failed" in rendering.run("lint", "--strict", CHART, values=values)


def test_the_chart_has_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["version"] == chart["appVersion"] == foresail.__version__


def test_the_charts_crds_are_those_of_the_repository() -> None:
    """Helm cannot read beyond the chart's folder: run `cp crds/*.yaml helm/foresail/files/crds/`."""
    ours = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}

    assert {path.name: path.read_text() for path in (CHART / "files" / "crds").glob("*.yaml")} == ours


def test_crds_are_rendered_whole_and_kept_on_uninstall(rendering: Helm) -> None:
    rendered = of_kind(rendering.template(), "CustomResourceDefinition")

    for crd in rendered:
        assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    written = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "crds").glob("*.yaml"))]
    assert rendered == written
    assert of_kind(rendering.template({"crds": {"install": False}}), "CustomResourceDefinition") == []


@pytest.mark.parametrize("values", EVERYTHING, ids=NAMES)
def test_the_pods_are_as_restricted_as_pods_can_be(rendering: Helm, values: Manifest) -> None:
    pod = only(rendering.template(values), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "hostNetwork" not in pod
    assert "hostPath" not in str(pod["volumes"])


@pytest.mark.parametrize("values", EVERYTHING, ids=NAMES)
def test_the_operator_understands_the_flags_and_settings_it_is_given(
    rendering: Helm, values: Manifest, tmp_path: Path
) -> None:
    manifests = rendering.template(values)
    container = only(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    (config,) = [entry for entry in of_kind(manifests, "ConfigMap") if entry["metadata"]["name"] == "foresail"]
    written = yaml.safe_load(config["data"]["settings.yaml"])
    for name in ("prometheus_bearer_token_file", "prometheus_ca_file"):  # mounted there, not here
        mounted = written.get(name)
        if mounted:
            assert any(mounted.startswith(mount["mountPath"] + "/") for mount in container["volumeMounts"])
            written[name] = str(CHART / "Chart.yaml")
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(written))

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    flags = vars(parser.parse_args(container["args"][1:]))
    given = {name: value for name, value in flags.items() if name not in ("config", "log_format")}
    settings = load_settings(given | {"config": str(file)}, environ={"POD_NAMESPACE": "foresail-system"})

    assert container["args"][0] == "operator"
    assert f"--config={settings_mount(container)}/settings.yaml" in container["args"]
    assert settings.namespace == values.get("watchNamespace")
    assert settings.lease_namespace == "foresail-system"
    assert (settings.listen_host, settings.listen_port) == ("0.0.0.0", 8080)
    assert settings.cycle_seconds == values.get("settings", {}).get("cycle_seconds", 15)


def settings_mount(container: Manifest) -> str:
    """Where the settings are mounted."""
    (path,) = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "settings"]
    return str(path)


def test_the_schema_of_settings_has_the_operators_limits() -> None:
    properties = yaml.safe_load((CHART / "values.schema.json").read_text())["properties"]["settings"]["properties"]
    limits = {name: (rule["minimum"], rule["maximum"]) for name, rule in properties.items() if "minimum" in rule}

    assert limits == {name: limit for name, limit in LIMITS.items() if name != "listen_port"}


def test_another_setting_is_another_pod(rendering: Helm) -> None:
    def checksum(values: Manifest) -> str:
        template = only(rendering.template(values), "Deployment")["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/settings"])

    assert checksum({"settings": {"cycle_seconds": 30}}) != checksum({"settings": {"cycle_seconds": 15}})
    assert checksum({"replicas": 1}) == checksum({"replicas": 3})


def test_probes_ask_what_the_service_answers(rendering: Helm) -> None:
    container = only(rendering.template(), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    paths = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}

    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    service = (ROOT / "foresail" / "service" / "app.py").read_text()
    assert all(f'@app.get("{path}")' in service for path in [*paths.values(), "/metrics"])


def test_a_disruption_budget_needs_two_replicas(rendering: Helm) -> None:
    assert of_kind(rendering.template({"replicas": 1}), "PodDisruptionBudget") == []
    assert only(rendering.template({"replicas": 2}), "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_the_optional_objects_carry_what_was_asked_for(rendering: Helm) -> None:
    manifests = rendering.template(LARGEST)
    monitor, policy = only(manifests, "ServiceMonitor"), only(manifests, "NetworkPolicy")
    container = only(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]

    assert container["image"] == "registry.example.com/foresail@sha256:" + "0" * 64
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["endpoints"] == [
        {"port": "http", "path": "/metrics", "interval": "15s", "honorLabels": True}
    ]
    assert policy["spec"]["ingress"][0]["from"] == LARGEST["networkPolicy"]["ingressFrom"]
    assert policy["spec"]["egress"] == LARGEST["networkPolicy"]["egress"]
    assert LARGEST["extraObjects"][0] in manifests
    # Without rules a policy of egress would cut the operator off from the API server.
    assert only(rendering.template({"networkPolicy": {"enabled": True}}), "NetworkPolicy")["spec"]["egress"] == [{}]


BAD_VALUES = [
    ({"replicas": "two"}, "at '/replicas': got string, want integer"),
    ({"replicas": 6}, "at '/replicas': maximum: got 6, want 5"),
    ({"replicaCount": 2}, "at '': additional properties 'replicaCount' not allowed"),
    ({"image": {"digest": "latest"}}, "at '/image/digest': 'latest' does not match pattern '^(sha256:[0-9a-f]{64})?$'"),
    ({"prometheus": {"url": "prometheus:9090"}}, "at '/prometheus/url': 'prometheus:9090' does not match pattern"),
    ({"settings": {"cycle_second": 1}}, "at '/settings': additional properties 'cycle_second' not allowed"),
    ({"settings": {"cycle_seconds": 0.5}}, "at '/settings/cycle_seconds': minimum: got 0.5, want 1"),
    ({"routing": {"httpRoutes": True}}, "at '/routing/httpRoutes': got boolean, want object"),
    ({"scaleTargets": []}, "at '/scaleTargets': minItems: got 0, want 1"),
    ({"scaleTargets": [{"group": "*", "resource": "*"}]}, "at '/scaleTargets/0/group': '*' does not match pattern"),
    ({"watchNamespace": "Team_A"}, "at '/watchNamespace': 'Team_A' does not match pattern"),
    ({"serviceMonitor": {"interval": "often"}}, "at '/serviceMonitor/interval': 'often' does not match pattern"),
]


@pytest.mark.parametrize(("values", "message"), BAD_VALUES, ids=[message[4:40] for _, message in BAD_VALUES])
def test_bad_values_are_refused_by_the_schema(rendering: Helm, values: Manifest, message: str) -> None:
    with pytest.raises(HelmError) as refusal:
        rendering.template(values)

    assert message in str(refusal.value)


@pytest.mark.cluster
@pytest.mark.parametrize("values", EVERYTHING, ids=NAMES)
def test_the_api_server_accepts_every_object(empty: Empty, rendering: Helm, values: Manifest, tmp_path: Path) -> None:
    namespace = f"dry-{NAMES[EVERYTHING.index(values)]}"
    empty.kubectl.run("create", "namespace", namespace)
    if "watchNamespace" in values:
        values = values | {"watchNamespace": namespace}
    foreign = ("ServiceMonitor", "PrometheusRule")  # kinds of the Prometheus operator, which is not here
    manifests = rendering.template(values, namespace=namespace)
    known = [manifest for manifest in manifests if manifest["kind"] not in foreign]
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(known))

    said = empty.kubectl.run(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "-n", namespace, "-f", str(file))
    )

    assert len(said.splitlines()) == len(known)


@pytest.mark.cluster
def test_a_release_is_installed_upgraded_and_uninstalled_and_users_objects_survive(
    empty: Empty, helm: Helm, tmp_path: Path
) -> None:
    kubectl, home = empty.kubectl, ("--namespace", "foresail-system")
    kubectl.run("create", "namespace", "foresail-system")
    kubectl.run("label", "namespace", "foresail-system", "pod-security.kubernetes.io/enforce=restricted")

    notes = helm.run("install", "foresail", CHART, *home)
    assert "kubectl --namespace foresail-system rollout status deployment/foresail" in notes
    assert "kubectl apply -f - <<END" in notes

    kubectl.run("wait", "--for=condition=Established", "-f", str(ROOT / "crds"), "--timeout=30s")
    kubectl.apply(USERS_OBJECT)
    # Pods come only if the namespace's restrictions let them in.
    wait_for(lambda: len(kubectl.get("pods", *home)["items"]) == 2, what="two pods")

    newer = newer_chart(tmp_path)
    helm.run("upgrade", "foresail", newer, *home, values={"replicas": 1, "settings": {"cycle_seconds": 30}})
    assert "Team" in columns_of(kubectl.get("crd", "modeldeployments.foresail.dev"))
    assert kubectl.get("deployment", "foresail", *home)["spec"]["replicas"] == 1

    helm.run("uninstall", "foresail", *home)
    assert kubectl.get("deployments,services,poddisruptionbudgets,roles,rolebindings", *home)["items"] == []
    assert kubectl.get("md", "chat")["spec"]["mode"] == "Advisory"
    assert "foresail" not in kubectl.run("get", "clusterroles,clusterrolebindings", "-o", "name")

    helm.run("install", "foresail", CHART, *home, values={"replicas": 0})  # takes up the CRDs that were kept
    helm.run("uninstall", "foresail", *home)

    crds = ("modeldeployments.foresail.dev", "acceleratorprofiles.foresail.dev")
    owner = ("meta.helm.sh/release-name-", "meta.helm.sh/release-namespace-")
    kubectl.run("annotate", "crd", *crds, *owner)
    kubectl.run("label", "crd", *crds, "app.kubernetes.io/managed-by-")
    helm.run("install", "foresail", CHART, *home, values={"replicas": 0})  # leaves the CRDs that kubectl applied alone
    assert "meta.helm.sh/release-name" not in kubectl.get("crd", crds[0])["metadata"]["annotations"]
    helm.run("uninstall", "foresail", *home)
    assert kubectl.get("md", "chat")["spec"]["mode"] == "Advisory"


USERS_OBJECT: dict[str, Any] = {
    "apiVersion": "foresail.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "chat", "namespace": "default"},
    "spec": {"variants": [{"name": "main", "scaleTargetRef": {"name": "chat"}}]},
}


def newer_chart(folder: Path) -> Path:
    """The chart of a later version, in which the CRD has one more column."""
    chart = folder / "foresail"
    shutil.copytree(CHART, chart)
    crd = chart / "files" / "crds" / "modeldeployments.yaml"
    crd.write_text(crd.read_text().replace(*ONE_MORE_COLUMN, 1))
    return chart


ONE_MORE_COLUMN = (
    "    additionalPrinterColumns:\n",
    "    additionalPrinterColumns:\n    - {name: Team, type: string, jsonPath: .metadata.labels.team}\n",
)


def columns_of(crd: Manifest) -> list[str]:
    """Names of a CRD's columns."""
    return [column["name"] for column in crd["spec"]["versions"][0]["additionalPrinterColumns"]]
