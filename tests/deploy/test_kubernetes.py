"""The manifests are valid for every supported Kubernetes, and name what the program has."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from kubernetes_validate import validate

from support.cli import options_of
from support.paths import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = [f"1.{minor}" for minor in range(29, 36)]


def objects(name: str) -> list[dict[str, Any]]:
    """The objects of a file."""
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


KUSTOMIZATION = objects("kustomization.yaml")[0]
FILES = [*KUSTOMIZATION["resources"], "secret.example.yaml"]


def pods() -> dict[str, dict[str, Any]]:
    """The specification of the pods by kind of their owner."""
    found = {}
    for name in FILES:
        for one in objects(name):
            if one["kind"] == "Deployment":
                found["Deployment"] = one["spec"]["template"]["spec"]
            if one["kind"] == "CronJob":
                found["CronJob"] = one["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_object_is_valid(name: str) -> None:
    for one in objects(name):
        for version in VERSIONS:
            validate(one, version, strict=True)


def test_a_misspelt_field_is_found() -> None:
    broken = next(one for one in objects("server.yaml") if one["kind"] == "Deployment")
    broken["spec"]["replica"] = broken["spec"].pop("replicas")
    with pytest.raises(Exception, match="replica"):
        validate(broken, VERSIONS[-1], strict=True)


@pytest.mark.parametrize(("kind", "command"), [("Deployment", "serve"), ("CronJob", "train")])
def test_commands_and_settings_exist(kind: str, command: str) -> None:
    spec = pods()[kind]
    (container,) = spec["containers"]
    words = container["args"]
    assert words[:2] == ["shortlist", command]
    assert {word for word in words if word.startswith("--")} <= options_of(command)
    (settings,) = KUSTOMIZATION["configMapGenerator"]
    known = {literal.partition("=")[0] for literal in settings["literals"]}
    known |= set(objects("secret.example.yaml")[0]["stringData"])
    assert {word[2:-1] for word in words if word.startswith("$(")} <= known
    assert {"configMapRef": {"name": settings["name"]}} in container["envFrom"]
    assert container["image"] == KUSTOMIZATION["images"][0]["name"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounted) == {volume["name"] for volume in spec["volumes"]}
    written = [entry["value"] for entry in container["env"]]
    assert all(any(path.startswith(root) for root in mounted.values()) for path in written)


def test_selectors_name_the_servers_only() -> None:
    server = {one["kind"]: one for one in objects("server.yaml")}
    labels = server["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert server["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert server["Service"]["spec"]["selector"] == labels
    assert server["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    (job,) = objects("retrain.yaml")
    assert job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"] != labels
    # a pod that stops goes on answering for the wait and the grace before it is killed
    spec = server["Deployment"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    wait = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    grace = int(container["args"][container["args"].index("--grace") + 1])
    assert wait + grace < spec["terminationGracePeriodSeconds"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports["http"] == int(container["args"][container["args"].index("--port") + 1])
    assert server["Service"]["spec"]["ports"][0]["targetPort"] == "http"
