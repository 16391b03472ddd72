"""The files that operators start from say what the code does: image, compose, Prometheus, the Grafana dashboard."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from shortlist.serve.telemetry import Metrics
from support.cli import options_of
from support.paths import ROOT

DEPLOY = ROOT / "deploy"
INSTRUCTIONS = {
    "FROM",
    "RUN",
    "CMD",
    "EXPOSE",
    "ENV",
    "COPY",
    "WORKDIR",
    "USER",
    "HEALTHCHECK",
    "ENTRYPOINT",
    "ARG",
    "LABEL",
    "VOLUME",
}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, lines that go on joined."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def test_the_image() -> None:
    found = instructions()
    assert {name for name, _ in found} <= INSTRUCTIONS
    assert found[0] == ("FROM", "python:3.11-slim")
    order = [name for name, _ in found]
    assert order.index("USER") < order.index("CMD"), "the server does not run as root"
    for name, text in found:
        if name == "COPY":
            assert all((ROOT / part).exists() for part in text.split()[:-1]), text
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    install = next(text for name, text in found if name == "RUN" and "pip install" in text)
    asked = re.search(r"\[([\w,]+)\]", install)
    assert asked is not None
    assert set(asked.group(1).split(",")) <= set(extras)
    command = json.loads(next(text for name, text in found if name == "CMD"))
    assert command[:2] == ["shortlist", "serve"]
    assert {part for part in command if part.startswith("--")} <= options_of("serve")
    if shutil.which("hadolint"):
        subprocess.run(["hadolint", str(DEPLOY / "Dockerfile")], check=True)


def test_compose_holds_together() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    assert set(services) == {"server", "store", "prometheus"}
    for service in services.values():
        assert ("image" in service) != ("build" in service)
        assert ":latest" not in service.get("image", "x:1")
        for other in service.get("depends_on", {}):
            assert other in services
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith(".") or source in compose["volumes"]
    assert (DEPLOY / services["server"]["build"]["context"]).resolve() == ROOT
    assert "healthcheck" in services["store"]
    address = services["server"]["environment"]["SHORTLIST_STORE"]
    assert address.startswith("postgresql://shortlist:")
    assert "@store/shortlist" in address
    assert services["store"]["environment"]["POSTGRES_DB"] == "shortlist"
    scrape = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"][0]
    assert scrape["static_configs"][0]["targets"] == ["server:8000"]
    key = scrape["authorization"]["credentials_file"]
    assert any(volume.split(":")[1] == key for volume in services["prometheus"]["volumes"])
    ports = [port for name, text in instructions() if name == "EXPOSE" for port in text.split()]
    assert services["server"]["ports"] == [f"{ports[0]}:{ports[0]}"]


YAML = [
    "deploy/compose.yaml",
    "deploy/prometheus.yml",
    "deploy/kubernetes/kustomization.yaml",
    "deploy/kubernetes/namespace.yaml",
    "deploy/kubernetes/retrain.yaml",
    "deploy/kubernetes/secret.example.yaml",
    "deploy/kubernetes/server.yaml",
    ".github/workflows/ci.yml",
    ".github/workflows/release.yml",
    ".pre-commit-config.yaml",
]


@pytest.mark.parametrize("name", YAML)
def test_yaml_is_valid(name: str) -> None:
    yamllint = pytest.importorskip("yamllint.linter")
    config = pytest.importorskip("yamllint.config")
    settings = config.YamlLintConfig(
        "{extends: default, rules: {line-length: disable, document-start: disable, comments-indentation: disable, "
        "truthy: {check-keys: false}}}"
    )
    assert list(yamllint.run((ROOT / name).read_text(), settings)) == []


def test_workflows_run_targets_that_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            commands = [step["run"] for step in job["steps"] if "run" in step]
            assert {name for text in commands for name in re.findall(r"\bmake ([\w-]+)", text)} <= targets


def test_every_supported_python_is_tested() -> None:
    matrix = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]["test"][
        "strategy"
    ]["matrix"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={matrix['python'][0]}"
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    board = json.loads((DEPLOY / "grafana.json").read_text())
    known = set()
    for family in Metrics().registry.collect():
        known.add(family.name)
        known |= {f"{family.name}_{end}" for end in ("total", "bucket", "sum", "count")}
    asked = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\bshortlist_\w+", target["expr"])
    }
    assert asked <= known
    families = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in asked}
    unseen = {f.name for f in Metrics().registry.collect()} - families - asked
    assert not unseen, "every metric is on the dashboard"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_timers_start_a_training_that_exists(tmp_path: Path) -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "shortlist-train.service")
    timer = configparser.RawConfigParser()
    timer.read(DEPLOY / "shortlist-train.timer")
    assert timer["Timer"]["OnCalendar"]
    lines = [unit["Service"]["ExecStart"]]
    crontab = (DEPLOY / "crontab").read_text().splitlines()
    jobs = [line for line in crontab if line and not line.startswith("#") and line[0] in "0123456789*"]
    assert len(jobs) == 1
    assert len(jobs[0].split(None, 5)) == 6
    for line in [*lines, jobs[0].split(None, 5)[5]]:
        words = shlex.split(line.partition(">>")[0])
        at = words.index("train")
        assert words[at - 1].endswith("/shortlist")
        asked = {word for word in words[at:] if word.startswith("--")}
        assert {"--from-store", "--out"} <= asked <= options_of("train")
    if shutil.which("systemd-analyze"):
        # the unit as it is, but for the program and the folder that are not on this machine
        for name in ("shortlist-train.service", "shortlist-train.timer"):
            text = (DEPLOY / name).read_text()
            text = text.replace("/srv/shortlist/.venv/bin/shortlist", "/bin/true")
            (tmp_path / name).write_text(text)
        done = subprocess.run(
            ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
            check=False,
            capture_output=True,
            text=True,
        )
        said = [line for line in done.stderr.splitlines() if "shortlist-train" in line]
        assert not said, said
