"""The package as users import it: public names, import time, the installed wheel and its types."""

from __future__ import annotations

import ast
import os
import pydoc
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import shortlist
from support.paths import ROOT
from support.sizes import FULL
from support.wheels import build_wheel

HEAVY = ("numpy", "scipy", "numba", "pyarrow", "duckdb", "xgboost", "pydantic", "fastapi", "pandas")

CLIENT = """
import shortlist

def titles(folder: str) -> list[str]:
    slate = shortlist.Recommender.load(folder).recommend(user="u1", n=3)
    reveal_type(shortlist.Recommender.load(folder))
    return [str(slate)]
"""


def python(code: str, *, executable: str = sys.executable, cwd: Path | None = None) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [executable, "-c", code], check=False, capture_output=True, text=True, timeout=300, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", shortlist.__all__)
def test_public_names_can_be_imported(name: str) -> None:
    assert getattr(shortlist, name) is not None


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="Recomender"):
        shortlist.Recomender  # type: ignore[attr-defined]  # noqa: B018


def test_stub_lists_the_names_that_it_imports() -> None:
    tree = ast.parse((ROOT / "src" / "shortlist" / "__init__.pyi").read_text())
    imported = {a.asname for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names}
    listed = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    assert imported == set(listed) == set(shortlist.__all__)


def test_registration_of_own_models_is_public() -> None:
    assert {"Ranker", "register_ranker", "register_retriever"} <= set(dir(shortlist))
    python("import shortlist; assert callable(shortlist.register_retriever)")
    python("import shortlist; assert callable(shortlist.register_ranker)")


def test_completion_and_help_show_the_public_classes() -> None:
    shown = dir(shortlist)
    assert {"Dataset", "Project", "Recommender", "RecommendRequest", "ALS", "evaluate", "metrics"} <= set(
        shown
    )
    text = pydoc.plain(pydoc.render_doc(shortlist))
    for name in ("class Dataset", "class Recommender", "class ALS", "class NotFittedError"):
        assert name in text, name


def test_import_loads_no_numerical_library() -> None:
    loaded = python("import sys, shortlist; print(*sys.modules)").split()
    assert not set(HEAVY) & set(loaded)
    own = {name for name in loaded if name.startswith("shortlist.")}
    assert own <= {
        "shortlist.version",
        "shortlist.errors",
        "shortlist.threads",
    }  # threads: before a library is loaded


def test_commands_without_a_store_load_no_database_library() -> None:
    code = "import sys, shortlist.recommender, shortlist.cascade.train, shortlist.evaluate; print('sqlalchemy' in sys.modules)"
    assert python(code).strip() == "False"


def test_import_is_fast() -> None:
    code = "import time; t = time.process_time(); import shortlist; print(time.process_time() - t)"
    assert min(float(python(code)) for _ in range(3)) < 0.15


def test_importing_submodules_does_not_hide_evaluate() -> None:
    python("import shortlist, shortlist.evaluate.protocol; assert callable(shortlist.evaluate)")
    python("import shortlist.evaluate.protocol, shortlist; assert callable(shortlist.evaluate)")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


def test_wheel_holds_all_files_of_the_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    files = subprocess.run(
        ["git", "ls-files", "src/shortlist"], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.split()
    missing = {f.removeprefix("src/") for f in files if (ROOT / f).exists()} - names
    assert not missing
    assert {"shortlist/py.typed", "shortlist/__init__.pyi"} <= names


def test_installed_wheel_is_typed(wheel: Path, tmp_path: Path) -> None:
    """A strict type checker reads the types of an installed Shortlist, and the command line starts."""
    venv.create(tmp_path / "venv", with_pip=False)
    executable = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    # the dependencies of this environment, without the editable Shortlist; in the short form those of the import alone, so that the
    # checker need not read the others' types
    own = Path(pytest.__file__).parents[1]
    for entry in own.iterdir():
        if (
            "shortlist" not in entry.name
            and (FULL or "lazy_loader" in entry.name)
            and not (site / entry.name).exists()
        ):
            (site / entry.name).symlink_to(entry)
    environment = {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "MYPYPATH"}
    }
    (tmp_path / "client.py").write_text(CLIENT)
    checks = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(executable), "client.py"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert 'Revealed type is "shortlist.recommender.Recommender"' in checks.stdout, checks.stdout
    assert "error" not in checks.stdout, checks.stdout
    started = subprocess.run(
        [str(executable), "-c", "import shortlist; print(shortlist.__file__, shortlist.__version__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert started.stdout.startswith(str(tmp_path)), started.stdout
    assert started.stdout.split()[1] == shortlist.__version__


def test_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "src/shortlist/version.py"
