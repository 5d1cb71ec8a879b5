"""`python test_model.py` measures the network of model.py, on new images alone."""

import contextlib
import io
import re
import shutil
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import run
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from sklearn.model_selection import train_test_split

import test_model

FIGURES = {"precision_f1.png", "confusion_matrix.png", "mistakes.png"}


@pytest.fixture(scope="module")
def measured(trained, data):
    """Measure the network that model.py saved: what is printed, and all axes drawn."""
    shown = []
    with contextlib.chdir(trained[0]), contextlib.redirect_stdout(io.StringIO()) as out:
        before = Path("mnist.keras").read_bytes()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plt, "show", lambda **_: shown.extend(plt.get_fignums()))
            assert run(test_model) == 0
        assert Path("mnist.keras").read_bytes() == before
        assert {path.name for path in Path().glob("*.png")} >= FIGURES
    assert len(shown) == 3, "The figures don't open in windows."
    axes = [ax for number in shown for ax in plt.figure(number).axes]
    plt.close("all")
    return out.getvalue(), axes


@pytest.fixture(scope="module")
def probabilities(trained, data):
    """Ten for each test image, from the network that model.py saved."""
    network = keras.models.load_model(trained[0] / "mnist.keras")
    return network.predict(data[1], verbose=0)


def the(axes, label):
    """Return the first of `axes` on which `label` is written."""
    texts = ([ax.get_ylabel(), *ax.get_legend_handles_labels()[1]] for ax in axes)
    return next(ax for ax, text in zip(axes, texts) if label in text)


def test_the_report_is_about_the_test_images(measured, probabilities, data):
    out, y_test, answers = measured[0], data[3], probabilities.argmax(axis=1)
    scores = precision_recall_fscore_support(y_test, answers, zero_division=0)
    for digit, row in enumerate(zip(*scores)):
        row = f"{digit} {row[0]:.4f} {row[1]:.4f} {row[2]:.4f} {row[3]}"
        assert row in " ".join(out.split())
    assert f"Mean precision over the digits: {scores[0].mean():.4f}\n" in out
    assert f"Mean F1 score over the digits: {scores[2].mean():.4f}\n" in out
    right, sure = answers == y_test, probabilities.max(axis=1) >= 0.99
    assert f"Accuracy: {right.mean():.2%} of 1,000 test images\n" in out
    for name, group in ("At least", right[sure]), ("Less than", right[~sure]):
        group = f"{sum(group):,} of {len(group):,} are right"
        assert f"{name} 99% sure: {group}\n" in out


def test_the_points_are_precision_and_f1(measured, probabilities, data):
    scores = precision_recall_fscore_support(
        data[3], probabilities.argmax(axis=1), zero_division=0
    )
    ax = the(measured[1], "Precision")
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert np.allclose(lines["Precision"], scores[0])
    assert np.allclose(lines["F1 score"], scores[2])
    assert f"digit {scores[2].argmin()}" in ax.get_title()


def test_the_rows_of_the_confusion_matrix_are_the_true_digits(
    measured, probabilities, data
):
    answers = probabilities.argmax(axis=1)
    ax = the(measured[1], "True digit")
    assert ax.get_xlabel() == "Predicted digit"
    drawn = np.full((10, 10), -1)
    for text in ax.texts:
        column, row = np.int_(text.get_position())
        drawn[row, column] = int(text.get_text())
    assert np.array_equal(drawn, confusion_matrix(data[3], answers))
    assert f"{np.sum(answers != data[3])} mistakes" in ax.get_title()


def test_the_surest_mistakes_come_first_and_show_why(
    measured, trained, probabilities, data
):
    network = keras.models.load_model(trained[0] / "mnist.keras")
    _, X_test, _, y_test = data
    answers, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    shown = []
    for ax in (ax for ax in measured[1] if ax.images and " read as " in ax.get_title()):
        (image,) = ax.images
        (i,) = np.flatnonzero(np.all(X_test == image.get_alpha().ravel(), axis=1))
        truth, answer = map(int, re.findall(r"\d+", ax.get_title())[:2])
        assert truth == y_test[i] != answer == answers[i]
        assert f"{sure[i]:.2%} sure" in ax.get_title().replace(">99.99%", "100.00%")
        shown.append(sure[i])
        # Blue speaks for the answer, red for the truth, white for neither.
        votes = test_model.votes(network, X_test[i], answer, truth)
        assert np.allclose(image.get_array().ravel(), votes, atol=1e-5)
        votes = np.array([votes.max(), votes.min(), 0])
        for_it, against, neither = image.cmap(image.norm(votes))[:, :3]
        assert for_it[2] > for_it[0] and against[2] < against[0] and min(neither) > 0.9
    assert np.allclose(shown, np.sort(sure[answers != y_test])[::-1][:18])


@pytest.mark.parametrize("always", [None, 1])
def test_the_figures_suit_perfect_and_very_bad_networks(folder, network, always):
    y_true = np.repeat(np.arange(10), 5)
    y_pred = y_true if always is None else np.full(50, always)
    matrix = confusion_matrix(y_true, y_pred)
    scores = precision_recall_fscore_support(y_true, y_pred, zero_division=0)
    test_model.plot_scores(scores[0], scores[2])
    test_model.plot_confusion_matrix(matrix)
    test_model.plot_mistakes(network, np.zeros((50, 784)), y_true, np.eye(10)[y_pred])
    assert {path.name for path in folder.iterdir()} >= FIGURES
    low, high = plt.figure(1).axes[0].get_ylim()
    assert low < min(scores[0]) and max(scores[2]) < high
    counts = [text.get_text() for text in the(plt.figure(2).axes, "True digit").texts]
    assert sorted(map(int, counts)) == sorted(matrix.ravel())


@pytest.mark.parametrize("kind", ["missing", "cut", "refused"])
def test_without_a_network_it_says_what_to_do(trained, folder, kind):
    if kind == "cut":
        whole = Path(trained[0], "mnist.keras").read_bytes()
        Path("mnist.keras").write_bytes(whole[: len(whole) // 2])
    elif kind == "refused":
        double = keras.layers.Lambda(lambda images: 2 * images)
        keras.Sequential([keras.Input(shape=(784,)), double]).save("mnist.keras")
    said = run(test_model)
    assert said.startswith("mnist.keras can't be loaded: ") and "\n" not in said
    assert "`python model.py`" in said and ("Lambda" in said) == (kind == "refused")


@pytest.mark.parametrize("why", ["another split", "another script"])
def test_a_network_is_not_measured_on_images_it_may_have_seen(
    trained, network, data, folder, monkeypatch, why
):
    if why == "another script":
        network.save("mnist.keras")
    else:
        shutil.copy(trained[0] / "mnist.keras", "mnist.keras")
        images, labels = np.concatenate(data[:2]), np.concatenate(data[2:])
        split = train_test_split(images, labels, test_size=0.2, random_state=7)
        monkeypatch.setattr(test_model, "fetch_data", lambda: split)
    assert "may have seen the test images" in run(test_model)
    assert not list(folder.glob("*.png"))


def logarithm(network, images, answer, rival):
    """Return ln(p[answer]) - ln(p[rival]) for each image, in double precision."""
    with np.errstate(divide="ignore"):
        logs = np.log(network(images).numpy().astype("float64"))
    return logs[:, answer] - logs[:, rival]


def convolutional():
    return keras.Sequential(
        [
            keras.Input(shape=(784,)),
            keras.layers.Reshape((28, 28, 1)),
            keras.layers.Conv2D(4, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_votes_say_what_a_pixel_changes(network, data, kind):
    _, X_test, _, y_test = data
    if kind == "convolutional":
        keras.utils.set_random_seed(0)
        network = convolutional()
    probabilities = network.predict(X_test, verbose=0)
    confidence, answers = probabilities.max(axis=1), probabilities.argmax(axis=1)
    mistakes = np.flatnonzero(answers != y_test)[:4]
    for i in [*np.argsort(confidence)[[0, 300, 600, -1]], *mistakes]:
        answer, rival = answers[i], np.argsort(probabilities[i])[-2]
        votes = test_model.votes(network, X_test[i], answer, rival)
        assert votes.shape == (784,) and not votes[X_test[i] == 0].any()
        strongest = np.argsort(-np.abs(votes))[:10]
        change = 0.001 * np.eye(784, dtype="float32")[strongest]
        more = logarithm(network, X_test[i] + change, answer, rival)
        less = logarithm(network, X_test[i] - change, answer, rival)
        shares = X_test[i][strongest] * (more - less) / 0.002
        limit = 0.01 * np.abs(votes).max()
        # Relu has corners: right at one of them, the two sides may differ.
        assert np.sum(np.abs(votes[strongest] - shares) < limit) >= 8


def test_votes_are_finite_even_where_a_probability_is_0(trained, data, probabilities):
    network = keras.models.load_model(trained[0] / "mnist.keras")
    for i in range(0, 1000, 10):
        rival, answer = np.argsort(probabilities[i])[[0, -1]]
        assert np.isfinite(test_model.votes(network, data[1][i], answer, rival)).all()
    certain = keras.Sequential(
        [keras.Input(shape=(784,)), keras.layers.Dense(10, activation="softmax")]
    )
    certain.layers[0].set_weights(
        [np.tile([100.0] + 9 * [0.0], (784, 1)), np.zeros(10)]
    )
    assert np.isfinite(test_model.votes(certain, data[1][0], 0, 1)).all()
