"""What the README says is true of today's code."""

import re
import subprocess

import numpy as np
import pytest
from conftest import ROOT
from sklearn.metrics import classification_report
from update_figures import FIGURES, scores

import model

README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPTS = [(ROOT / name).read_text("utf-8") for name in ("model.py", "test_model.py")]
MATRIX = np.load(FIGURES / "full_run.npz")["matrix"]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", blocks("python"))
def test_every_excerpt_is_in_a_script(block):
    assert any(block in script for script in SCRIPTS)


def test_there_are_excerpts():
    assert len(blocks("python")) >= 3


def test_the_first_two_commands_do_everything():
    for line, last in zip(blocks("sh"), ("python test_model.py", "python -m pytest")):
        assert line.count("\n") == 1
        assert line.startswith("python3 -m venv .venv && ")
        assert line.endswith(f" && {last}\n")


def test_the_report_is_that_of_the_stored_confusion_matrix():
    true, predicted = np.indices(MATRIX.shape).reshape(2, -1).repeat(MATRIX.ravel(), 1)
    report = classification_report(true, predicted, digits=4)
    precision, _, f1 = scores(MATRIX)
    (printed,) = [block for block in blocks("text") if "macro avg" in block]
    assert report in printed
    assert f"Average precision over the digits: {precision.mean():.4f}\n" in printed
    assert f"Average F1 score over the digits: {f1.mean():.4f}\n" in printed
    accuracy = np.trace(MATRIX) / MATRIX.sum()
    assert f"Accuracy: {accuracy:.2%} of {MATRIX.sum():,} images\n" in printed
    assert README.count(f"{accuracy:.1%}") == 2


def test_the_nine_is_worked_through_with_its_numbers():
    right, said, are = MATRIX[9, 9], MATRIX[:, 9].sum(), MATRIX[9].sum()
    precision, recall, f1 = (score[9] for score in scores(MATRIX))
    for fact in (
        f"In the test it said so {said:,} times",
        rf"\frac{{{right}}}{{{right} + {said - right}}} = {precision:.4f} $$",
        rf"\frac{{{right}}}{{{right} + {are - right}}} = {recall:.4f} $$",
        rf"\frac{{{precision:.4f} \cdot {recall:.4f}}}{{{precision:.4f} + {recall:.4f}}}",
        f"= {f1:.4f} $$",
        f"| **network says 9** | TP = {right:,} | FP = {said - right} |",
        f"| FN = {are - right} | TN = {MATRIX.sum() - said - are + right:,} |",
    ):
        assert fact in README, fact


def test_the_mistakes_that_the_text_points_at_are_the_worst():
    mistakes = MATRIX - np.diag(np.diag(MATRIX))
    assert np.unravel_index(mistakes.argmax(), (10, 10)) == (4, 9)
    words = " ".join(README.split())
    assert (
        f"{mistakes[4, 9]} times a 4 was taken for a 9, and {mistakes[9, 4]} t" in words
    )
    assert f"the network's {mistakes.sum()} mistakes" in words
    precision, _, f1 = scores(MATRIX)
    assert f1.argmin() == 8 and f"{precision[7]:.3f}" == f"{precision[8]:.3f}"
    assert f"it misses {mistakes[8].sum()} of them" in words


def test_the_table_of_layers_is_that_of_the_network():
    rows = re.findall(
        r"^\| (\w+) \(\w+\) \| \(None, (\d+)\) \| ([\d,]+) \|", README, re.MULTILINE
    )
    layers = model.build_model().layers
    expected = [(f"{x.output.shape[1]}", f"{x.count_params():,}") for x in layers]
    assert [row[1:] for row in rows] == expected
    assert f"{model.build_model().count_params():,}" in README


def test_pictures_are_there_and_light():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert {f"tests/figures/{path.name}" for path in FIGURES.glob("*.png")} == set(
        pictures
    )
    assert sum((ROOT / picture).stat().st_size for picture in pictures) < 400_000


def test_links_within_the_readme_lead_somewhere():
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {
        re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors


def test_no_other_file_lies_at_the_top():
    allowed = {"model.py", "test_model.py", "requirements.txt", "README.md", "tests"}
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, text=True, capture_output=True, check=False
    ).stdout.split()
    top = {path.split("/")[0] for path in listed}
    assert top <= allowed | {".gitignore", ".ci"}
