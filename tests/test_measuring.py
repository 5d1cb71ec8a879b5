"""`python test_model.py` measures the network of model.py, on new images alone."""

import io
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

import test_model

# There is no screen, so matplotlib warns that it can show no window.
pytestmark = pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")

FIGURES = {"precision_f1.png", "confusion_matrix.png", "mistakes.png"}


@pytest.fixture
def answers(network, data):
    """The network's answers for the test images: one digit each."""
    return network.predict(data[1], verbose=0).argmax(axis=1)


@pytest.fixture(scope="module")
def measured(network, data, tmp_path_factory):
    """Measure `network`; return what is printed, and the axes of all figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("measured"))
        patch.setattr(sys, "argv", ["test_model.py"])
        network.save("mnist.keras")
        before = Path("mnist.keras").read_bytes()
        with redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit) as stop:
            test_model.main()
        assert not stop.value.code
        assert Path("mnist.keras").read_bytes() == before
        assert {path.name for path in Path().glob("*.png")} == FIGURES
    axes = [ax for number in plt.get_fignums() for ax in plt.figure(number).axes]
    plt.close("all")
    return out.getvalue(), axes


def the(axes, label):
    """Return the first of `axes` on which `label` is written."""
    texts = ([ax.get_ylabel(), *ax.get_legend_handles_labels()[1]] for ax in axes)
    return next(ax for ax, text in zip(axes, texts) if label in text)


def test_the_report_is_about_the_test_images(measured, answers, data):
    out, y_test = measured[0], data[3]
    precision, recall, f1, support = precision_recall_fscore_support(y_test, answers)
    for digit in range(10):
        scores = f"{precision[digit]:.4f} {recall[digit]:.4f} {f1[digit]:.4f}"
        assert f"{digit} {scores} {support[digit]}" in " ".join(out.split())
    assert f"Mean precision over the digits: {precision.mean():.4f}\n" in out
    assert f"Mean F1 score over the digits: {f1.mean():.4f}\n" in out
    right = np.mean(answers == y_test)
    assert f"Accuracy: {right:.2%} of 1,000 test images\n" in out


def test_the_bars_are_precision_and_f1(measured, answers, data):
    precision, _, f1, _ = precision_recall_fscore_support(data[3], answers)
    ax = the(measured[1], "Precision")
    for bars, scores in zip(ax.containers, (precision, f1)):
        assert np.allclose([bar.get_height() for bar in bars], scores)
    assert [bars.get_label() for bars in ax.containers] == ["Precision", "F1 score"]
    low, high = ax.get_ylim()
    assert low < min(*precision, *f1) and high >= 1
    assert f"digit {f1.argmin()}" in ax.get_title()


def test_the_rows_of_the_confusion_matrix_are_the_true_digits(measured, answers, data):
    ax = the(measured[1], "True digit")
    assert ax.get_xlabel() == "Predicted digit"
    drawn = np.full((10, 10), -1)
    for text in ax.texts:
        column, row = np.int_(text.get_position())
        drawn[row, column] = int(text.get_text())
    assert np.array_equal(drawn, confusion_matrix(data[3], answers))
    assert f"{np.sum(answers != data[3])} mistakes" in ax.get_title()


def test_each_mistake_shows_its_true_digit_and_the_surest_come_first(
    measured, network, data
):
    _, X_test, _, y_test = data
    probabilities = network.predict(X_test, verbose=0)
    answers, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    shown = []
    for ax in (ax for ax in measured[1] if ax.images):
        pixels = np.asarray(ax.images[0].get_array()).ravel()
        (i,) = np.flatnonzero(np.isclose(X_test, pixels).all(axis=1))
        truth, answer = map(int, re.findall(r"\d+", ax.get_title())[:2])
        assert truth == y_test[i] != answer == answers[i]
        shown.append(sure[i])
    surest = np.sort(sure[answers != y_test])[::-1][:18]
    assert np.allclose(shown, surest)


@pytest.mark.parametrize("always", [None, 1])
def test_the_figures_suit_perfect_and_very_bad_networks(folder, always):
    y_true = np.repeat(np.arange(10), 5)
    y_pred = y_true if always is None else np.full(50, always)
    matrix = confusion_matrix(y_true, y_pred)
    scores = precision_recall_fscore_support(y_true, y_pred, zero_division=0)
    test_model.plot_scores(scores[0], scores[2])
    test_model.plot_confusion_matrix(matrix)
    test_model.plot_mistakes(np.zeros((50, 784)), y_true, np.eye(10)[y_pred])
    assert {path.name for path in folder.glob("*.png")} == FIGURES
    counts = [text.get_text() for text in the(plt.figure(2).axes, "True digit").texts]
    assert sorted(map(int, counts)) == sorted(matrix.ravel())


@pytest.mark.parametrize("pictures", [[], ["digit.png"]])
@pytest.mark.parametrize("kind", ["missing", "empty", "cut", "garbage", "a folder"])
def test_without_a_network_it_says_what_to_do(run, network, kind, pictures):
    path = Path("mnist.keras")
    if kind == "a folder":
        path.mkdir()
    elif kind != "missing":
        network.save(path)
        whole = path.read_bytes()
        half = whole[: len(whole) // 2]
        path.write_bytes({"empty": b"", "cut": half, "garbage": whole[::-1]}[kind])
    said = run(test_model, *pictures)
    assert "mnist.keras" in said and "`python model.py`" in said and "\n" not in said


@pytest.mark.parametrize("name", ["trained_on_56000", "sequential"])
def test_a_network_is_not_measured_on_what_it_may_know(
    run, network, data, folder, name
):
    network.save("mnist.keras")
    changed = test_model.keras.models.load_model("mnist.keras")
    changed.name = name
    changed.save("mnist.keras")
    assert "may know the test images" in run(test_model)
    assert not list(folder.glob("*.png"))
