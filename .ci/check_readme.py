"""The README agrees with the scripts, and with the run that draw_pictures.py recorded."""

import ast
import json
import os
import re
import shutil
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
    """Return the code of each exercise that changes model.py, in their order."""
    section = README.split("## Try changing it")[1].split("\n## ")[0]
    code = blocks("python", section)
    return [block for block in code if not block.startswith("import keras")]


def changed(script, block):
    """Return `script` with an exercise's `block` in place of what it replaces."""
    first = block.splitlines()[0]
    if "def move(" in block:
        old, block = r"def move\(.*?\n\n\n", block + "\n\n"
    elif "keras.Sequential(" in first:
        old = r"    model = keras\.Sequential\(.*?\n    \)\n"
    else:  # one line, which begins alike
        old = re.escape(re.split(r"[=(]", first)[0]) + r"[=(].*?\n"
    (found,) = re.findall(old, script, re.DOTALL)
    return script.replace(found, block)


def fingerprint(*names):
    """Return the code of scripts without their comments and docstrings."""
    code = ""
    for name in names or ("model.py", "test_model.py"):
        tree = ast.parse((ROOT / name).read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.FunctionDef) and ast.get_docstring(
                node
            ):
                del node.body[0]
        code += ast.unparse(tree)
    return code


@pytest.fixture(scope="module")
def record():
    return json.loads((ROOT / ".ci" / "whole_run.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment variables of a machine with no internet and no screen."""
    home = str(tmp_path_factory.mktemp("home"))
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    homes = {"KERAS_HOME": home, "SCIKIT_LEARN_DATA": home}
    return os.environ | offline | homes | {"MPLBACKEND": "Agg", "PYTHONPATH": str(ROOT)}


def call(folder, environment, *command):
    return subprocess.check_output(
        [sys.executable, *command], cwd=folder, env=environment, text=True
    )


def test_the_record_is_of_these_scripts(record):
    now = zlib.crc32(fingerprint().encode())
    assert record["fingerprint"] == now, "Run .ci/draw_pictures.py again."
    code = fingerprint("model.py") + "".join(exercises())
    assert record["trained from"] == zlib.crc32(code.encode())
    assert (ROOT / ".ci" / "whole_run.json").stat().st_size <= 10_000


def test_the_code_is_the_scripts_own():
    lesson = README.split("## Use it in your own script")[0]
    shown = blocks("python", lesson)
    assert len(shown) >= 6
    for block in shown:
        assert any(block in (ROOT / f"{name}.py").read_text("utf-8") for name in NAMES)


NAMES = "model", "test_model"


@pytest.mark.parametrize("number", range(9))
def test_each_exercise_trains_and_is_read_by_test_model(number, environment, tmp_path):
    script = (ROOT / "model.py").read_text("utf-8")
    copy = changed(script, exercises()[number])
    assert copy != script
    copy = copy.replace("5600", "2000")  # offline, there are only 4,000 images
    (tmp_path / "model.py").write_text(copy, "utf-8")
    shutil.copy(ROOT / "test_model.py", tmp_path)
    pictures = sorted(map(str, (ROOT / "tests" / "pictures").iterdir()))
    call(tmp_path, environment, "model.py", "--epochs", "1")
    out = call(tmp_path, environment, "test_model.py")
    accuracy = float(re.search(r"Accuracy: ([\d.]+)%", out)[1])
    assert accuracy > (20 if number in (4, 5) else 60), out
    assert ("NOTE: nothing shows" in out) == (number == 5)
    assert "three.png: " in call(tmp_path, environment, "test_model.py", *pictures)


def test_the_readers_own_scripts_run(environment, tmp_path):
    shutil.copytree(ROOT / "tests" / "pictures", tmp_path / "tests" / "pictures")
    call(tmp_path, environment, str(ROOT / "model.py"), "--epochs", "2")
    whole = [block for block in blocks("python") if block.startswith("import keras")]
    use, average, box = whole
    (tmp_path / "use.py").write_text(use, "utf-8")
    assert call(tmp_path, environment, "use.py").startswith("3 (")
    (tmp_path / "average.py").write_text(
        average.replace("epochs=10", "epochs=1"), "utf-8"
    )
    lines = call(tmp_path, environment, "average.py").splitlines()
    assert [line[:2] for line in lines if line[:1] == "4"] == ["42", "43", "44"]
    (tmp_path / "box.py").write_text(box, "utf-8")
    lines = call(tmp_path, environment, "box.py").splitlines()[-3:]
    probabilities, gradients, agreement = (float(line.split()[-1]) for line in lines)
    assert probabilities < 1e-6 and gradients < 1e-6 and 0.3 < agreement <= 1


def test_what_the_terminal_shows_is_what_the_last_run_printed(record):
    printed = record["training"] + record["test"]
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
    assert (ROOT / "tests/figures/window.gif").stat().st_size <= 300_000
    for picture in re.findall(r"tests/pictures/\w+\.\w+", README):
        assert (ROOT / picture).exists()
    for heading in re.findall(r"\]\(#([\w-]+)\)", README):
        assert heading in re.sub(r"[^\w\n -]", "", README.lower()).replace(" ", "-")
    for name in re.findall(r"`(test_\w+)`", README):
        tests = "".join(path.read_text("utf-8") for path in ROOT.glob("tests/*.py"))
        assert f"def {name}(" in tests, name
    assert README.count("<details>") == README.count("</details>")


def test_it_is_short_enough():
    text = re.sub(r"!\[[^]]*\]\([^)]*\)|(?<=\])\([^)]*\)", "", PROSE)  # no addresses
    lesson = re.sub(r"<details>.*?</details>", "", text)
    assert len(re.findall(r"\S*\w\S*", text)) <= 4500
    assert len(re.findall(r"\S*\w\S*", lesson)) <= 3000


def mean(values):
    return f"{np.mean(values):.3f}"


def test_the_numbers_are_those_of_the_last_run(record):
    matrix = np.array([row.split() for row in record["confusion matrix"]], dtype=int)
    mistakes = matrix - np.diag(np.diag(matrix))
    tp, said, are = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    precision, recall, f1 = tp / said, tp / are, 2 * tp / (said + are)
    true, answer = np.unravel_index(mistakes.argmax(), (10, 10))
    d = f1.argmin()
    rest = matrix.sum() - said[d] - are[d] + tp[d]
    always = are[d] / matrix.sum()
    recipes, longer = record["others"]["recipes"], record["others"]["longer"]
    fifty = longer["50 epochs, not moved"]
    turn = int(np.argmin(fifty["val_loss"]))
    step, why, reasons = record["one step"], record["why"], record["reasons"]
    weight, gradient = round(step["weight"], 4), round(step["gradient"], 4)
    right, sure, _ = record["reliability"]["all"]
    swapped = record["swapped"]
    ours = recipes["ours"]
    facts = [
        f"Everything else is a mistake, {mistakes.sum()} in all",
        f"a {true} taken for a {answer}, {mistakes.max()} times",
        f"Take the {d}, which has the lowest F1 score",
        f"| {tp[d]:,} true positives (TP) | {are[d] - tp[d]} false negatives (FN) |",
        f"| {said[d] - tp[d]} false positives (FP) | {rest:,} true negatives (TN) |",
        f"{tp[d]} / {said[d]} = {precision[d]:.4f}",
        f"{tp[d]} / {are[d]} = {recall[d]:.4f}",
        f"/ (precision + recall) = {f1[d]:.4f}",
        (
            f"a precision of {always:.4f}. Their plain mean would be a respectable "
            f"{(1 + always) / 2:.2f}. The F1 score is {2 * always / (1 + always):.2f}."
        ),
        f"vary by about {np.mean(record['spread']['F1']):.3f}",
        f"start out {step['sureness up to 255']:.0%} sure",
        (
            f"from {np.mean(recipes['blog']['accuracy']):.1%} to "
            f"{np.mean(recipes['blog up to 1']['accuracy']):.1%}"
        ),
        f"starts at {step['weight']:.4f}",
        f"its slope in the gradient is {step['gradient']:.4f}",
        f"{weight:.4f} - 0.005 x {gradient:.4f} = {weight - 0.005 * gradient:.4f}",
        (
            f"lowest in epoch {turn + 1}, and then drifts up from {min(fifty['val_loss']):.3f}"
            f" to {fifty['val_loss'][-1]:.3f}"
        ),
        (
            f"{fifty['val_accuracy'][turn]:.1%} in epoch {turn + 1} and "
            f"{fifty['val_accuracy'][-1]:.1%} in epoch 50"
        ),
        (
            f"{longer['20 epochs']['val_loss'][-1]:.3f} and "
            f"{longer['50 epochs']['val_loss'][-1]:.3f}"
        ),
        f"a 2 was {why['times']} times as probable as a 7",
        f"ln({why['times']}) = {why['lead']}",
        f"Of all {reasons['mistakes']} mistakes",
        f"| {reasons['20 pixels rubbed out']} | {reasons['20 at random']} |",
        (
            f"| one spot rubbed out | {reasons['a spot rubbed out']} | "
            f"{reasons['one at random rubbed out']} |"
        ),
        (
            f"| one spot inked, near the ink | {reasons['a spot inked']} | "
            f"{reasons['one at random inked']} |"
        ),
        f"it's {sure:.1%} sure, and right {right:.1%} of the time",
        f"would be {record['not moved'][1]:.1%} sure and {record['not moved'][0]:.1%} right",
        (
            f"and (over five runs) make {np.mean(recipes['not moved']['sure mistakes']):.0%} of its mistakes at more "
            f"than 99% sure, not {np.mean(ours['sure mistakes']):.0%}"
        ),
        f"it's right {swapped[0]:.0%} of the time",
        f"it's {swapped[1]:.0%} sure on average. {swapped[2]:.0%} of those",
        record["H"].removeprefix("It reads: "),
        f"anywhere from {min(ours['val_loss']):.3f} to {max(ours['val_loss']):.3f}",
        f"gives {mean(ours['val_loss'][:3])} on average",
        f"nearest gets {recipes['nearest average']:.0%}",
        (
            f"ours gets {np.mean(ours['accuracy']):.1%}, and the blog's (since its readers"
            f" will ask) {np.mean(recipes['blog']['accuracy']):.1%}"
        ),
        f"the median correlation is {record['open the box']}",
    ]
    lows = ["less than 50%", "50 to 70%", "70 to 90%", "90 to 99%", "at least 99%"]
    for name, (_, number, correct) in zip(lows, record["reliability"]["ranges"]):
        facts.append(f"| {name} | {number:,} | {correct / number:.1%} |")
    for fact in facts:
        assert fact in PROSE, fact
    shuffled, ordered = (recipes[name] for name in ("shuffled pixels", "not moved"))
    assert abs(np.mean(shuffled["val_loss"]) - np.mean(ordered["val_loss"])) < 0.003
    assert abs(step["right up to 255"] - 0.1) < 0.02  # "no more right than a guess"
    for recipe in ours, recipes["not moved"], recipes["constant rate"]:
        assert f"| {mean(recipe['val_loss'])} |" in PROSE
    for recipe in recipes["blog up to 1"], recipes["blog"], recipes["one layer"]:
        assert f"| {mean(recipe['val_loss'])} |" in PROSE
    for number, exercise in enumerate(record["others"]["exercises"], start=1):
        text = PROSE.split(f" {number}. **")[-1].split(f" {number + 1}. **")[0]
        assert mean(exercise["val_loss"]) in text, number
