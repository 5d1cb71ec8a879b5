"""The README agrees with the scripts, and with the run that draw_pictures.py recorded."""

import ast
import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent

README = (ROOT / "README.md").read_text("utf-8")
PROSE = " ".join(
    re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE).split()
)


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def exercises():
    """Return the code of each exercise, in their order."""
    return blocks("python", README[README.index("## Change it yourself") :])


def changed(script, block):
    """Return `script` with an exercise's `block` in place of what it replaces."""
    if "def moved_batches" in block:
        old = r"def moved_batches\(.*?\n\n\n"
        block += "\n\n"
    else:
        old = r"    model = keras\.Sequential\(.*?\n    \)\n"
    (found,) = re.findall(old, script, re.DOTALL)
    return script.replace(found, block)


def fingerprint():
    """Return a checksum of both scripts without their comments and docstrings."""
    code = ""
    for name in "model.py", "test_model.py":
        tree = ast.parse((ROOT / name).read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(
                node
            ):
                del node.body[0]
        code += ast.unparse(tree)
    return zlib.crc32(code.encode())


@pytest.fixture(scope="module")
def record():
    return json.loads((ROOT / ".ci" / "whole_run.json").read_text("utf-8"))


def test_the_record_is_of_these_scripts(record):
    assert record["fingerprint"] == fingerprint(), "Run .ci/draw_pictures.py again."


def test_the_code_is_the_scripts_own():
    scripts = [
        (ROOT / name).read_text("utf-8") for name in ("model.py", "test_model.py")
    ]
    shown = blocks("python", README[: README.index("## Change it yourself")])
    assert len(shown) >= 5
    for block in shown:
        assert any(block in script for script in scripts), block


@pytest.mark.parametrize("number", range(len(exercises())))
def test_each_exercise_trains_and_is_read_by_test_model(number, tmp_path):
    script = (ROOT / "model.py").read_text("utf-8")
    copy = changed(script, exercises()[number])
    assert copy != script
    (tmp_path / "model.py").write_text(copy, "utf-8")
    test = (ROOT / "test_model.py").read_text("utf-8")
    (tmp_path / "test_model.py").write_text(test, "utf-8")
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    homes = {"KERAS_HOME": str(tmp_path), "SCIKIT_LEARN_DATA": str(tmp_path)}
    environment = os.environ | offline | homes | {"MPLBACKEND": "Agg"}
    three = str(ROOT / "tests" / "pictures" / "three.png")
    for command in (
        ["model.py", "--epochs", "1"],
        ["test_model.py"],
        ["test_model.py", three],
    ):
        command = [sys.executable, *command]
        out = subprocess.check_output(command, cwd=tmp_path, env=environment, text=True)
    assert "three.png: " in out


def test_what_the_terminal_shows_is_what_the_last_run_printed(record):
    printed = record["training"] + record["test"] + record["own digits"]
    shown = [block for block in blocks("text") if not block.startswith("python ")]
    assert len(shown) >= 3
    for block in shown:
        for part in block.split("...\n"):
            assert part in printed, part


def test_every_picture_and_link_leads_somewhere():
    figures = re.findall(r"!\[[^]]+\]\((tests/figures/[^)]+)\)", README)
    drawn = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/figures/*")]
    assert sorted(figures) == sorted(drawn)
    assert sum((ROOT / path).stat().st_size for path in figures) < 900_000
    for picture in re.findall(r"tests/pictures/\w+\.\w+", README):
        assert (ROOT / picture).exists()
    for heading in re.findall(r"\]\(#([\w-]+)\)", README):
        assert heading in re.sub(r"[^\w\n -]", "", README.lower()).replace(" ", "-")


def test_it_is_short_enough():
    assert len(PROSE.split()) <= 2800


def last(text, name):
    return re.findall(rf" {name}: ([\d.]+)", text)[-1]


def test_the_numbers_are_those_of_the_last_run(record):
    matrix = np.array([row.split() for row in record["confusion matrix"]], dtype=int)
    mistakes = matrix - np.diag(np.diag(matrix))
    tp, said, are = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    precision, recall, f1 = tp / said, tp / are, 2 * tp / (said + are)
    true, answer = np.unravel_index(mistakes.argmax(), (10, 10))
    d = f1.argmin()
    rest = matrix.sum() - said[d] - are[d] + tp[d]
    sure = re.search(r"At least 99% sure: ([\d,]+) of ([\d,]+)", record["test"])
    less = re.search(r"Less than 99% sure: ([\d,]+) of ([\d,]+)", record["test"])
    share = [
        int(found[1].replace(",", "")) / int(found[2].replace(",", ""))
        for found in (sure, less)
    ]
    loss = {
        name: f"{float(last(record[name], 'val_loss')):.3f}"
        for name in ("training", "20 epochs", "50 epochs", "50 epochs, not moved")
    }
    ours = record["recipes"]["ours: pixels"]
    for fact in (
        f"There are {mistakes.sum()} in all. The most common was to take a {true} for a",
        f"a {true} for a {answer}, which happened {mistakes.max()} times",
        f"Let's take the {d}, which has the lowest F1 score",
        f"| {tp[d]:,} (TP) | {are[d] - tp[d]} (FN) |",
        f"| {said[d] - tp[d]} (FP) | {rest:,} (TN) |",
        f"{tp[d]} / {said[d]} = {precision[d]:.4f}",
        f"{tp[d]} / {are[d]} = {recall[d]:.4f}",
        f"/ (precision + recall) = {f1[d]:.4f}",
        f"its precision is {are[d] / matrix.sum():.4f}.",
        f"sure of, {share[0]:.1%} are right; of the others, {share[1]:.0%}.",
        f"ends at {loss['training']}",
        f"twenty at {loss['20 epochs']}",
        f"fifty at {loss['50 epochs']}",
        f"to {loss['50 epochs, not moved']}",
        f"between {min(ours[1]):.3f} and {max(ours[1]):.3f}",
    ):
        assert fact in PROSE, fact
    for recipe, found in record["recipes"].items():
        digits = 1 if len(found) > 1 else 0
        row = rf"\| {recipe}[^|]*\| {np.mean(found[0]):.{digits}%} \|"
        assert re.search(row, PROSE), row
    for text, number in zip(record["exercises"], range(1, 6)):
        text = f"{float(last(text, 'val_loss')):.3f}"
        part = PROSE.split(f"{number}. **")[1].split(f"{number + 1}. **")[0]
        assert text in part, (number, text)
    assert f"{float(last(record['60 epochs'], 'val_loss')):.3f}" in PROSE
