"""The README agrees with the scripts, and with the run that draw_pictures.py recorded."""

import json
import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent

README = (ROOT / "README.md").read_text("utf-8")
PROSE = " ".join(
    re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE).split()
)
RUN = json.loads((ROOT / "tests" / "whole_run.json").read_text("utf-8"))
MATRIX = np.array([row.split() for row in RUN["confusion matrix"]], dtype=int)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_the_code_is_the_scripts_own():
    scripts = [
        (ROOT / name).read_text("utf-8") for name in ("model.py", "test_model.py")
    ]
    assert len(blocks("python")) >= 3
    for block in blocks("python"):
        assert any(block in script for script in scripts), block


def test_what_the_terminal_shows_is_what_the_last_run_printed():
    printed = RUN["training"] + RUN["test"] + RUN["own digits"]
    shown = [block for block in blocks("text") if not block.startswith("python ")]
    assert len(shown) >= 4
    for block in shown:
        assert block in printed, block


def test_every_picture_and_link_leads_somewhere():
    figures = re.findall(r"!\[[^]]+\]\((tests/figures/[^)]+)\)", README)
    drawn = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/figures/*")]
    assert sorted(figures) == sorted(drawn)
    assert sum((ROOT / path).stat().st_size for path in figures) < 900_000
    for picture in re.findall(r"tests/pictures/\w+\.\w+", README):
        assert (ROOT / picture).exists()


def test_the_numbers_are_those_of_the_last_run():
    mistakes = MATRIX - np.diag(np.diag(MATRIX))
    tp, said, are = np.diag(MATRIX), MATRIX.sum(axis=0), MATRIX.sum(axis=1)
    precision, recall, f1 = tp / said, tp / are, 2 * tp / (said + are)
    true, answer = np.unravel_index(mistakes.argmax(), (10, 10))
    d = f1.argmin()
    first, long = RUN["training"].split("val_loss: ")[-1], RUN["50 epochs"]
    last = {
        k: re.findall(rf"{k}: ([\d.]+)", long)[-1] for k in ("val_accuracy", "val_loss")
    }
    rest = MATRIX.sum() - said[d] - are[d] + tp[d]
    for fact in (
        f"There are {mistakes.sum()}, and the most common one was to read a {true} as a",
        f" {true} as a {answer}, {mistakes.max()} times.",
        f"a {answer} read as a {true}, happened {mistakes[answer, true]} times.",
        f"Let's take the {d}, which has the lowest F1 score.",
        f"{tp[d]:,} *true positives* (TP) | {are[d] - tp[d]} *false negatives* (FN) |",
        f"{said[d] - tp[d]} *false positives* (FP) | {rest:,} *true negatives* (TN) |",
        f"{tp[d]} / {said[d]} = {precision[d]:.4f}",
        f"{tp[d]} / {are[d]} = {recall[d]:.4f}",
        f"/ (precision + recall) = {f1[d]:.4f}",
        f"its precision is {are[d] / MATRIX.sum():.4f}.",
        f"`val_loss` of {last['val_loss']}, the one that trained for ten with {first[:6]}",
        f"no worse, {last['val_accuracy']} instead of",
    ):
        assert fact in PROSE, fact
    for recipe, found in RUN["accuracies"].items():
        assert re.search(rf"\| {recipe}[^|]*\| {np.mean(found):.1%} \|", PROSE), recipe
