"""Bundles that are damaged or hostile."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import warnings
from pathlib import Path

import pytest

from shortlist.bundle.format import read_manifest
from shortlist.errors import BundleError, ShortlistError
from shortlist.recommender import Recommender
from support.bundles import copy_bundle
from support.sizes import size


def test_corrupted_bundles_are_refused(bundle: Path, tmp_path: Path) -> None:
    """Truncated files, flipped bits and names from outside: each time a refusal in a sentence, and nothing is run."""
    rng = random.Random(4)
    names = sorted(json.loads((bundle / "manifest.json").read_text())["files"])
    refused = 0
    tries = size(24, 60)
    for number in range(tries):
        broken = tmp_path / f"b{number}"
        shutil.copytree(bundle, broken)
        path = broken / rng.choice([*names, "manifest.json"])
        data = bytearray(path.read_bytes())
        if number % 2 and len(data) > 1:
            data = data[: rng.randrange(len(data))]
        elif data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        if bytes(data) == path.read_bytes():
            continue
        path.write_bytes(bytes(data))
        try:
            Recommender.load(broken)
        except BundleError:
            refused += 1
        else:  # a bit of the manifest that says nothing about a file: a name, a time
            assert path.name == "manifest.json"
        shutil.rmtree(broken)
    assert refused >= 0.8 * tries


def test_corrupted_bundles_with_valid_checksums_run_nothing(bundle: Path, tmp_path: Path) -> None:
    """Whoever makes a hostile bundle makes its checksums too: what is inside must not crash or run anything either."""
    rng = random.Random(9)
    names = [n for n in sorted(json.loads((bundle / "manifest.json").read_text())["files"])]
    marker = tmp_path / "ran"
    for number in range(size(18, 40)):
        name = names[number % len(names)]

        def edit(folder: Path, name: str = name, number: int = number) -> None:
            path = folder / name
            data = bytearray(path.read_bytes())
            if number % 3 == 0:
                data = data[: len(data) // 2]
            elif number % 3 == 1:
                data = bytearray(f"c__import__('pathlib').Path({str(marker)!r}).touch()".encode())
            else:
                for _ in range(3):
                    data[rng.randrange(len(data))] ^= 255
            path.write_bytes(bytes(data))

        hostile = copy_bundle(bundle, tmp_path / f"h{number}", "h", 1, edit)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(ShortlistError):
                Recommender.load(hostile).recommend(history=[], n=3)
        assert not marker.exists()
        shutil.rmtree(hostile)


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "data/../../outside", "a\x00b", "x" * 5000, "", "."]
)
def test_file_names_outside_the_bundle_are_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    broken = tmp_path / "b"
    shutil.copytree(bundle, broken)
    (tmp_path / "outside").write_text("secret")
    path = broken / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"][name] = "0" * 64
    path.write_text(json.dumps(manifest))
    with pytest.raises(BundleError):
        read_manifest(broken)
    link = tmp_path / "c"
    shutil.copytree(bundle, link)
    file = link / "profile.json"
    file.unlink()
    file.symlink_to(tmp_path / "outside")
    with pytest.raises(BundleError, match="outside"):
        read_manifest(link)
