"""The page about streams and sources: its commands run, and print what it shows; its settings are valid."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from shortlist.config.project import parse_project
from shortlist.engines.databases import DatabaseTable, is_database
from shortlist.engines.object_store import is_object_store
from support.kafka import KafkaCluster
from support.paths import ROOT
from support.shell import Shell, code_blocks, command_lines

PAGE = ROOT / "docs" / "how-to" / "sources.md"
BLOCK = re.compile(r'^```(py title="[^"]+"|sh|text)\n(.*?)^```', re.DOTALL | re.MULTILINE)


def test_the_commands_run_and_print_what_the_page_shows(tmp_path: Path) -> None:
    kafka = KafkaCluster()
    kafka.send("events", {"user": "u1", "item": "m1", "kind": "play"})
    output, printed = "", ""
    shown = 0
    with Shell(tmp_path) as shell:
        for language, block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
            if language.startswith("py"):
                (tmp_path / language.split('"')[1]).write_text(block, encoding="utf-8")
            elif language == "sh":
                lines = [line.replace("kafka:9092", kafka.brokers) for line in command_lines(block)]
                output = "\n".join(shell.run(line) for line in lines if not line.startswith("pip "))
                printed += output
            else:
                for line in block.splitlines():
                    assert line in output
                    shown += 1
    assert shown == 4
    assert "1 events stored" in printed, "a command reads Kafka"


def test_the_settings_are_valid() -> None:
    blocks = code_blocks(PAGE, "toml")
    assert len(blocks) == 2
    for block in blocks:
        data = parse_project(tomllib.loads(block)).data
        for source in (data.events, data.items):
            assert source is not None
            assert is_object_store(source) or (is_database(source) and DatabaseTable.of(source).query)
