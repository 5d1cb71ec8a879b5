"""`python test_model.py` tests only model.py's network, and honestly."""

import os
import re
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scripts import checkout, interrupted, needs_signals, new_files, run
from sklearn.metrics import f1_score, precision_score

import model
import test_model

FIGURES = {"precision_f1.png", "confusion_matrix.png", "mistakes.png"}


@pytest.fixture
def measured(folder, network, digits, monkeypatch, capsys):
    """Measure `network` in this process; return the output and the three figures."""
    network.save("mnist.keras")
    monkeypatch.setattr(model, "DOWNLOADS", {"the sample": lambda: digits})
    monkeypatch.setattr(sys, "argv", ["test_model.py"])
    before = Path("mnist.keras").read_bytes()
    with pytest.raises(SystemExit) as stop:
        test_model.main()
    assert stop.value.code == 0
    assert Path("mnist.keras").read_bytes() == before
    assert {path.name for path in folder.glob("*.png")} == FIGURES
    return capsys.readouterr().out, [plt.figure(n) for n in plt.get_fignums()]


@pytest.fixture
def truth(network, sample):
    """The true digits of the test images, and the network's answers."""
    return sample[3], network.predict(sample[1], verbose=0)


def test_every_number_and_figure_comes_from_the_test_images(measured, truth):
    out, (scores, heatmap, mistakes) = measured
    y_test, probabilities = truth
    y_pred = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(y_pred != y_test)
    precision = precision_score(y_test, y_pred, average=None)
    f1 = f1_score(y_test, y_pred, average=None)

    assert "Measured on 1,000 images" in out
    assert out.split().count("f1-score") == 1
    assert f"Mean precision over the digits: {precision.mean():.4f}\n" in out
    assert f"Mean F1 score over the digits: {f1.mean():.4f}\n" in out
    assert f"Accuracy: {1 - len(wrong) / 1000:.2%} of 1,000 images\n" in out
    for digit in range(10):
        row = re.search(rf"^ +{digit} +(\S+) +\S+ +(\S+) +\d+$", out, re.MULTILINE)
        assert row.groups() == (f"{precision[digit]:.4f}", f"{f1[digit]:.4f}")
    for name in FIGURES:
        assert f"Saved {name}\n" in out

    bars = [patch.get_height() for patch in scores.axes[0].patches]
    assert np.allclose(bars, [*precision, *f1])
    labels = [container.get_label() for container in scores.axes[0].containers]
    assert labels == ["Precision", "F1 score"]
    assert f"lowest F1: digit {f1.argmin()}" in scores.axes[0].get_title()
    counts = [int(text.get_text()) for text in heatmap.axes[0].texts]
    expected = np.zeros((10, 10), int)
    np.add.at(expected, (y_test, y_pred), 1)  # rows are the truth
    assert np.array_equal(np.reshape(counts, (10, 10)), expected)
    assert heatmap.axes[0].get_ylabel() == "True digit"
    assert heatmap.axes[0].get_title() == f"{len(wrong)} mistakes in 1,000 images"
    titles = [ax.get_title().split("\n")[0] for ax in mistakes.axes if ax.images]
    surest = sorted(wrong, key=lambda i: -probabilities[i].max())[:18]
    assert titles == [f"{y_test[i]} taken for {y_pred[i]}" for i in surest]


def test_a_window_that_cannot_open_is_reported(monkeypatch, request):
    if sys.platform == "linux":
        monkeypatch.setenv("DISPLAY", ":0")
    with pytest.warns(UserWarning, match="cannot be shown"):
        request.getfixturevalue("measured")


def test_windows_stay_open_until_they_are_closed(monkeypatch, request):
    shown = []
    monkeypatch.setattr(plt, "show", lambda **options: shown.append(options))
    request.getfixturevalue("measured")
    assert shown == [{"block": True}]


def test_a_network_that_only_says_1_is_measured_without_a_warning(
    folder, monkeypatch, sample, capsys
):
    says_1 = np.tile(np.eye(10)[1], (1000, 1))
    network = SimpleNamespace(name="trained_on_4000", predict=lambda *_, **__: says_1)
    monkeypatch.setattr(test_model, "fetch_data", lambda: sample)
    with warnings.catch_warnings(action="error"):
        assert set(test_model.measure(network)) == FIGURES
    share, out = np.mean(sample[3] == 1), capsys.readouterr().out
    assert f"Mean precision over the digits: {share / 10:.4f}\n" in out
    assert f"Accuracy: {share:.2%} of 1,000 images\n" in out


def stopped(monkeypatch, *pictures):
    """Run test_model.py in this process, and return the sentence that it ends with."""
    monkeypatch.setattr(sys, "argv", ["test_model.py", *pictures])
    with pytest.raises(SystemExit) as stop:
        test_model.main()
    said = stop.value.code
    assert isinstance(said, str) and "\n" not in said
    return said


@pytest.mark.parametrize("pictures", [[], ["digit.png"]])
@pytest.mark.parametrize(
    "kind",
    ["nothing", "empty", "garbage", "truncated", "changed", "a folder", "the blog's"],
)
def test_a_network_that_model_py_did_not_make_is_refused(
    folder, monkeypatch, kind, pictures
):
    monkeypatch.setattr(test_model, "fetch_data", None)  # which must not be called
    path = Path("mnist.keras")
    if kind == "a folder":
        path.mkdir()
    elif kind in ("truncated", "changed", "the blog's"):
        model.build_model().save(path)  # with its default name, as the blog's does
    elif kind != "nothing":
        path.write_bytes(os.urandom(5000) if kind == "garbage" else b"")
    if kind in ("truncated", "changed"):
        whole = path.read_bytes()
        half = len(whole) // 2  # in the weights
        rest = b"changed" + whole[half + 7 :] if kind == "changed" else b""
        path.write_bytes(whole[:half] + rest)
    said = stopped(monkeypatch, *pictures)
    assert "mnist.keras" in said and "`python model.py`" in said
    assert not list(folder.glob("*.png"))


def test_a_network_is_not_tested_on_what_it_may_have_learnt(
    folder, monkeypatch, few_digits, network
):
    network.save("mnist.keras")  # trained on 4,000 images, not on 400
    said = stopped(monkeypatch)
    assert "mnist.keras may have seen these test images" in said
    assert "`python model.py`" in said
    assert not list(folder.glob("*.png"))


def test_a_figure_that_cannot_be_saved_is_named(folder, monkeypatch, digits, network):
    network.save("mnist.keras")
    monkeypatch.setattr(model, "DOWNLOADS", {"the sample": lambda: digits})
    Path("confusion_matrix.png").mkdir()
    assert "'confusion_matrix.png'" in stopped(monkeypatch)


def test_other_arguments_are_usage_errors(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["test_model.py", "--epochs", "3"])
    with pytest.raises(SystemExit) as stop:
        test_model.main()
    assert stop.value.code == 2
    assert "usage: " in capsys.readouterr().err


def test_without_a_screen_there_is_no_warning(tmp_path, network):
    checkout(tmp_path)
    network.save(tmp_path / "mnist.keras")
    status, out, err = run(tmp_path, "test_model.py", KERAS_BACKEND="torch")
    assert status == 0, err
    assert "NOTE: using a SAMPLE of 5,000 images" in out and "Epoch" not in out
    assert "Traceback" not in err and "\nE0" not in err
    assert "Warning" not in err or sys.platform != "linux"
    assert new_files(tmp_path) == set()


def test_pytest_finds_no_test_in_the_script():
    assert not [name for name in vars(test_model) if name.lower().startswith("test")]


@needs_signals
def test_ctrl_c_stops_the_run_without_a_traceback(tmp_path, network):
    checkout(tmp_path)
    network.save(tmp_path / "mnist.keras")
    status, _, err = interrupted(tmp_path, "test_model.py", "stdout", "Getting MNIST")
    assert status == 1
    assert err.endswith("\nInterrupted.\n") and "Traceback" not in err
