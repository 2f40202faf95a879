"""The forecaster in the chart: absent unless it is asked for, as restricted as the operator, without any right."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import yaml

from foresail.cli.forecaster import add_arguments
from foresail.forecaster.settings import LIMITS, load_settings
from foresail.operator.settings import load_settings as load_operator_settings
from tests.conftest import ROOT
from tests.manifests.conftest import Empty
from tests.manifests.helm import CHART, Helm, HelmError, Manifest, of_kind
from tests.manifests.test_chart import LARGEST

NAME = "foresail-forecaster"
SMALL: Manifest = {"forecaster": {"enabled": True, "persistence": {"enabled": False}}}
LARGE: Manifest = LARGEST | {
    "forecaster": {
        "enabled": True,
        "image": {"repository": "registry.example.com/forecaster", "digest": "sha256:" + "1" * 64},
        "settings": {"train_every_seconds": 3600, "history_hours": 168, "prometheus_headers": {"X-Scope-OrgID": "t"}},
        "artifacts": {"url": "s3://models/prod", "envSecret": "store"},
        "persistence": {"size": "5Gi", "storageClassName": "fast"},
        "resources": {"requests": {"cpu": "1"}},
    }
}
BOTH = pytest.mark.parametrize("values", [SMALL, LARGE], ids=["small", "large"])


def named(manifests: list[Manifest], kind: str, name: str = NAME) -> Manifest:
    (found,) = [each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name]
    return found


def settings_of(manifests: list[Manifest], name: str) -> dict[str, Any]:
    written: dict[str, Any] = yaml.safe_load(named(manifests, "ConfigMap", name)["data"]["settings.yaml"])
    return written


def test_it_is_absent_unless_it_is_asked_for(rendering: Helm) -> None:
    manifests = rendering.template()
    assert "forecaster" not in yaml.safe_dump_all(each for each in manifests if each["kind"] != "ConfigMap")
    assert "forecaster_url" not in settings_of(manifests, "foresail")


@BOTH
def test_it_passes_strict_lint(rendering: Helm, values: Manifest) -> None:
    assert "0 chart(s) failed" in rendering.run("lint", "--strict", CHART, values=values)


@BOTH
def test_its_pod_is_as_restricted_as_pods_can_be_and_has_no_rights(rendering: Helm, values: Manifest) -> None:
    manifests = rendering.template(values)
    pod = named(manifests, "Deployment")["spec"]["template"]["spec"]
    operator = named(manifests, "Deployment", "foresail")["spec"]["template"]["spec"]
    assert pod["securityContext"] == operator["securityContext"]
    assert pod["containers"][0]["securityContext"] == operator["containers"][0]["securityContext"]
    assert pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in pod


@BOTH
def test_the_forecaster_understands_the_flags_and_settings_it_is_given(
    rendering: Helm, values: Manifest, tmp_path: Path
) -> None:
    manifests = rendering.template(values)
    container = named(manifests, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    written = settings_of(manifests, NAME)
    for name in ("prometheus_bearer_token_file", "prometheus_ca_file"):  # mounted there, not here
        if name in written:
            assert any(written[name].startswith(mount["mountPath"] + "/") for mount in container["volumeMounts"])
            written[name] = str(CHART / "Chart.yaml")
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(written))
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    flags = {
        name: value for name, value in vars(parser.parse_args(container["args"][1:])).items() if name != "log_format"
    }
    settings = load_settings(flags | {"config": str(file)})

    assert container["args"][0] == "forecaster"
    assert (settings.listen_host, settings.listen_port) == ("0.0.0.0", 8090)
    assert str(settings.folder) in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert (settings.store_url or "") == values["forecaster"].get("artifacts", {}).get("url", "")
    assert settings.train_every_seconds == values["forecaster"].get("settings", {}).get("train_every_seconds", 21_600)


@BOTH
def test_the_operator_asks_the_service(rendering: Helm, values: Manifest) -> None:
    manifests = rendering.template(values)
    url = settings_of(manifests, "foresail")["forecaster_url"]
    service = named(manifests, "Service")
    assert url == f"http://{NAME}.foresail-system.svc:{service['spec']['ports'][0]['port']}"
    assert load_operator_settings({"forecaster": url}, environ={}).forecaster_url == url
    labels = named(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_a_forecaster_elsewhere_may_be_named_instead(rendering: Helm) -> None:
    manifests = rendering.template({"settings": {"forecaster_url": "http://elsewhere:8090"}})
    assert settings_of(manifests, "foresail")["forecaster_url"] == "http://elsewhere:8090"


@BOTH
def test_neither_takes_the_other_for_itself(rendering: Helm, values: Manifest) -> None:
    manifests = rendering.template(values)
    for mine, other in ((NAME, "foresail"), ("foresail", NAME)):
        selector = named(manifests, "Deployment", mine)["spec"]["selector"]["matchLabels"]
        labels = named(manifests, "Deployment", other)["spec"]["template"]["metadata"]["labels"]
        assert not selector.items() <= labels.items()


def test_artifacts_are_kept_in_a_claim_unless_they_are_not_to_be(rendering: Helm) -> None:
    small, large = rendering.template(SMALL), rendering.template(LARGE)
    claim = named(large, "PersistentVolumeClaim")["spec"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("fast", "5Gi")
    assert of_kind(small, "PersistentVolumeClaim") == []
    volumes = named(small, "Deployment")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "artifacts", "emptyDir": {}} in volumes
    assert named(large, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}  # one at a time may hold them


def test_a_store_is_spoken_to_with_the_environment_of_a_secret_or_the_identity_of_an_account(rendering: Helm) -> None:
    def pod(**artifacts: str) -> Manifest:
        values = {"forecaster": {"enabled": True, "artifacts": artifacts}}
        spec: Manifest = named(rendering.template(values), "Deployment")["spec"]["template"]["spec"]
        return spec

    plain, secret = pod()["containers"][0], pod(url="s3://models/prod", envSecret="store")["containers"][0]
    assert "--artifacts=/var/lib/foresail" in plain["args"]
    assert "envFrom" not in plain
    assert {"--artifacts=s3://models/prod", "--working-copy=/var/lib/foresail"} <= set(secret["args"])
    assert secret["envFrom"] == [{"secretRef": {"name": "store"}}]
    account = pod(url="gs://models", serviceAccountName="reader-of-models")
    assert account["serviceAccountName"] == "reader-of-models"
    assert account["automountServiceAccountToken"] is False  # it has no business with the API server


def test_network_policies_let_the_operator_ask_and_nobody_else(rendering: Helm) -> None:
    manifests = rendering.template(LARGE)
    policy, operators = named(manifests, "NetworkPolicy"), named(manifests, "NetworkPolicy", "foresail")
    peers = policy["spec"]["ingress"][0]["from"]
    assert peers[0] == {"podSelector": named(manifests, "Deployment", "foresail")["spec"]["selector"]}
    assert peers[1:] == LARGEST["networkPolicy"]["ingressFrom"]
    way = operators["spec"]["egress"][-1]
    assert way["to"] == [{"podSelector": named(manifests, "Deployment")["spec"]["selector"]}]
    assert named(manifests, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items() <= (
        named(manifests, "Service")["metadata"]["labels"].items()
    )


def test_probes_ask_what_the_forecaster_answers(rendering: Helm) -> None:
    container = named(rendering.template(SMALL), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    app = (ROOT / "foresail" / "forecaster" / "app.py").read_text()
    for probe in ("startup", "liveness", "readiness"):
        assert f'@app.get("{container[f"{probe}Probe"]["httpGet"]["path"]}")' in app


def test_the_schema_of_its_settings_has_the_forecasters_limits() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())["properties"]["forecaster"]
    properties = schema["properties"]["settings"]["properties"]
    limits = {name: (rule["minimum"], rule["maximum"]) for name, rule in properties.items() if "minimum" in rule}
    assert limits == {name: limit for name, limit in LIMITS.items() if name != "listen_port"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"settings": {"train_every_second": 1}}, "additional properties 'train_every_second' not allowed"),
        ({"settings": {"history_hours": 0}}, "at '/forecaster/settings/history_hours': minimum: got 0, want 1"),
        ({"artifacts": {"url": "s3://key:secret@bucket"}}, "at '/forecaster/artifacts/url':"),
        ({"artifacts": {"url": "/mnt/models"}}, "does not match pattern"),
        ({"artifacts": {"secret": "store"}}, "additional properties 'secret' not allowed"),
        ({"persistence": {"size": "much"}}, "at '/forecaster/persistence/size': 'much' does not match pattern"),
    ],
)
def test_bad_values_are_refused_by_the_schema(rendering: Helm, values: Manifest, message: str) -> None:
    with pytest.raises(HelmError) as refusal:
        rendering.template({"forecaster": {"enabled": True} | values})
    assert message in str(refusal.value)


@pytest.mark.cluster
def test_the_api_server_accepts_its_objects(empty: Empty, rendering: Helm, tmp_path: Path) -> None:
    empty.kubectl.run("create", "namespace", "dry-forecaster")
    manifests = rendering.template(LARGE, namespace="dry-forecaster")
    ours = [each for each in manifests if each["metadata"]["name"] == NAME and each["kind"] != "ServiceMonitor"]
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(ours))
    flags = ("--server-side", "--dry-run=server", "--validate=strict", "-n", "dry-forecaster", "-f", str(file))
    assert len(empty.kubectl.run("apply", *flags).splitlines()) == len(ours) == 5
