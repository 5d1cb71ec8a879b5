"""`python test_model.py` measures a network on new images, and says why it errs."""

import contextlib
import io
import warnings
from itertools import product
from pathlib import Path
from unittest import mock

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import first_and_second, run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import test_model

SPOTS = np.indices((28, 28)).reshape(2, 784).T
NEAR = np.abs(SPOTS[:, np.newaxis] - SPOTS).max(axis=2) <= 1  # [spot, pixel]: 3 x 3


def measure(y_test, answers, folder):
    """Measure a network with these answers: what is printed, and the figures."""
    # It answers with the number of the brightest pixel, and is surer if it's brighter.
    dense = keras.layers.Dense(10, activation="softmax")
    network = keras.Sequential([keras.Input(shape=(784,)), dense])
    dense.set_weights([20 * np.eye(784, 10), np.zeros(10)])
    X_test = np.eye(784, dtype="float32")[answers]
    X_test[13:] *= 0.2
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out:
        split = None, X_test, np.zeros(9, int), np.array(y_test)
        with mock.patch.object(test_model, "fetch_data", return_value=split):
            test_model.measure(network)
    for name in "precision_f1.png", "confusion_matrix.png", "mistakes.png":
        assert len(Image.open(folder / name).getcolors(10**6)) > 9
    figures = [plt.figure(number) for number in plt.get_fignums()]
    plt.close("all")
    return out.getvalue(), figures


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """It reads each digit once, then takes one of three 3s for an 8, two 7s for 1s."""
    y_test, answers = [*range(10), 1, 3, 3, 3, 7, 7], [*range(10), 1, 3, 3, 8, 1, 1]
    return measure(y_test, answers, tmp_path_factory.mktemp("counted"))


def test_the_scores_are_those_counted_by_hand(counted):
    out = " ".join(counted[0].split())
    for row in (
        "1 0.5000 1.0000 0.6667 2",  # of four, two were 1s, and no other was missed
        "3 1.0000 0.7500 0.8571 4",
        "7 1.0000 0.3333 0.5000 3",
        "precision over the digits: 0.9000",
        "F1 score over the digits: 0.8690",
        "Accuracy: 81.25% of 16 test images",
        "At least 99% sure: 13 of 13 are right",
        "Less than 99% sure: 0 of 3 are right",
    ):
        assert row in out


def test_the_points_are_precision_recall_and_f1(counted):
    ax = counted[1][0].axes[0]
    points = {line.get_label(): line.get_ydata() for line in ax.lines}
    expected = np.ones((3, 10))
    expected[0, [1, 8]] = 1 / 2
    expected[1, [3, 7]] = 3 / 4, 1 / 3
    expected[2, [1, 3, 7, 8]] = 2 / 3, 6 / 7, 1 / 2, 2 / 3
    for name, values in zip(["Precision", "Recall", "F1 score"], expected):
        assert np.allclose(points[name], values)
    assert ax.get_ylim()[0] < 1 / 3 and ax.get_ylim()[1] > 1
    assert "digit 7" in ax.get_title()


def test_rows_are_true_digits_and_only_mistakes_are_coloured(counted):
    ax = counted[1][1].axes[0]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("True digit", "Predicted digit")
    assert "3 mistakes in 16 images" in ax.get_title()
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[::-1, :, :3].astype(int)
    drawn, orange = np.full((10, 10), -1), np.zeros((10, 10))
    for text in ax.texts:
        x, y = text.get_position()
        cell = int(y), int(x)
        drawn[cell] = int(text.get_text())
        column, row = np.int_(ax.transData.transform((x - 0.3, y - 0.3)))
        red, _, blue = picture[row, column]
        orange[cell] = red - blue
        assert drawn[cell] or blue > 250, "Where there's nothing, it should be white."
    expected = np.diag([1, 2, 1, 3, 1, 1, 1, 1, 1, 1])
    expected[[3, 7], [8, 1]] = 1, 2
    assert np.array_equal(drawn, expected)
    assert orange[7, 1] > orange[3, 8] + 30 > 60
    orange[[3, 7], [8, 1]] = 0
    assert np.abs(orange).max() < 10, "Only mistakes should be coloured."


def test_the_surest_mistakes_come_first_and_show_why(measured, trained, data):
    network = keras.models.load_model(trained[0] / "mnist.keras")
    _, X_test, _, y_test = data
    p = network.predict(X_test, verbose=0)
    answers, sure = p.argmax(axis=1), p.max(axis=1)
    wrong = sorted(np.flatnonzero(answers != y_test), key=lambda i: -sure[i])
    figure = measured[1][-1]
    for ax, i in zip(figure.axes, wrong[:18], strict=True):
        title = f"{y_test[i]} read as {answers[i]}\n{sure[i]:.2%} sure"
        assert ax.get_title() == title.replace("100.00%", ">99.99%")
        why = test_model.explain(network, X_test[i], answers[i], y_test[i])
        assert np.allclose(ax.images[0].get_array(), why, atol=0.01)
    heading = f"The {len(figure.axes)} surest of {len(wrong)} mistakes\nOrange: for"
    assert heading + " the answer. Blue: for its rival." in figure.get_suptitle()


@pytest.mark.parametrize("answers", [range(10), [1] * 10])
def test_the_figures_suit_perfect_and_very_bad_networks(folder, answers):
    with warnings.catch_warnings(action="error"):
        _, (scores, _, mistakes) = measure(range(10), list(answers), folder)
    low, high = scores.axes[0].get_ylim()
    assert low < (1 if answers == range(10) else 0) and high > 1
    assert len(mistakes.axes) == (0 if answers == range(10) else 9)
    assert all(">99.99% sure" in ax.get_title() for ax in mistakes.axes)


def test_no_number_is_printed_as_100_percent_and_all_are_true():
    for p, decimals in product(1 - np.logspace(-9, -0.1, 500), [1, 2]):
        words, step = test_model.in_words(p, decimals), 0.1 ** (2 + decimals)
        number = float(words.strip(">%")) / 100
        assert number < 1 and -0.501 * step < p - number
        assert p - number < (step if words[0] == ">" else 0.501 * step)


@pytest.mark.parametrize("kind", ["missing", "cut"])
def test_without_a_network_it_says_what_to_do(trained, folder, kind):
    if kind == "cut":
        half = Path(trained[0], "mnist.keras").read_bytes()[:50_000]
        Path("mnist.keras").write_bytes(half)
    said = run(test_model)
    assert said.startswith("mnist.keras can't be loaded: ") and "\n" not in said
    assert "`python model.py`" in said


@pytest.mark.parametrize("why", ["another split", "fewer images", "another script"])
def test_another_network_gets_a_note(trained, network, data, folder, capsys, why):
    own = keras.models.load_model(trained[0] / "mnist.keras")
    _, X_test, y, y_test = data
    y_train = {"another split": y[::-1].copy(), "fewer images": y[:999]}.get(why, y)
    reader = network if why == "another script" else own
    split = None, X_test[:100], y_train, y_test[:100]
    with mock.patch.object(test_model, "fetch_data", return_value=split):
        test_model.measure(reader)
    accuracy, note = capsys.readouterr().out.split("NOTE")
    assert "of 100 test images" in accuracy
    assert "may be too good" in " ".join(note.split())


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_lead_lost_is_what_changes_by_hand_cost(network, data, kind):
    if kind == "convolutional":
        image, filters = keras.layers.Reshape((28, 28, 1)), keras.layers.Conv2D(4, 3, 2)
        rest = keras.layers.Flatten(), keras.layers.Dense(10, "softmax")
        network = keras.Sequential([keras.Input(shape=(784,)), image, filters, *rest])
    # Inverted digits too, because their margins and corners have ink to rub out.
    for pixels in [*data[1][:8], *(1 - data[1][:8])]:
        answer, rival, p = first_and_second(network, pixels)
        for ink in (0, 1):
            changed = network.predict_on_batch(np.where(NEAR, np.float32(ink), pixels))
            lead, now = np.log(p / p[rival]), np.log(changed.T / changed[:, rival])
            lost = test_model.lead_lost(network, pixels.copy(), answer, rival, ink)
            assert np.allclose(lost, lead[answer] - now[answer], rtol=0, atol=1e-3)


def test_reasons_are_finite_for_all_images_and_networks(network, data):
    sure, same = (keras.models.clone_model(network) for _ in range(2))
    sure.set_weights([1000 * weights for weights in network.get_weights()])
    same.set_weights([0 * weights for weights in network.get_weights()])
    digit, blank = data[1][0], np.zeros(784, "float32")
    with warnings.catch_warnings(action="error"):
        for reader in network, sure, same:
            for pixels, ink in (digit, 0), (digit, 1), (blank, 0), (blank, 1):
                lost = test_model.lead_lost(reader, pixels, 3, 5, ink)
                assert np.isfinite(lost).all()
                image = test_model.explain(reader, pixels, 3, 5)
                assert 0 <= image.min() <= image.max() <= 1
            assert not image.any(), "A blank image should be black."
        white = test_model.explain(same, digit, 3, 5).reshape(784, 3)
    assert np.allclose(white.T, digit, atol=0.01), "Nothing speaks for or against it."


def test_ink_is_orange_for_the_answer_and_blue_against_it(network, data):
    for pixels in data[1][:50]:
        answer, rival, _ = first_and_second(network, pixels)
        image = test_model.explain(network, pixels, answer, rival).reshape(784, 3)
        lost = test_model.lead_lost(network, pixels, answer, rival, 0)
        strength = lost / np.abs(pixels * lost).max()
        ink = pixels > 0.95
        red, _, blue = image.T
        for_it, against = ink & (strength > 0.1), ink & (strength < -0.1)
        assert np.all(red[for_it] > blue[for_it])
        assert np.all(red[against] < blue[against])
        assert np.all(image[ink & (np.abs(strength) < 0.02)] > 0.88)
        strongest = np.argmax(np.abs(pixels * lost))
        colour = test_model.ORANGE if lost[strongest] > 0 else test_model.BLUE
        assert np.allclose(image[strongest] / pixels[strongest], colour, atol=0.02)
        # The black only ever glows blue, and never as brightly as ink shines.
        dark, hue = pixels == 0, np.array(test_model.BLUE)
        assert np.allclose(image[dark], blue[dark, np.newaxis] / hue[2] * hue)
        brightness = image @ [0.2126, 0.7152, 0.0722]
        assert brightness[dark].max() < brightness[ink].min()
        # It glows most where a spot of ink would cost the answer most.
        lost = test_model.lead_lost(network, pixels, answer, rival, 1)
        if lost[dark].max() > 0.1:
            assert lost[dark][blue[dark].argmax()] == pytest.approx(lost[dark].max())
            assert blue[dark].max() > 0.1 and not blue[dark & (lost < 0)].any()
    assert test_model.ORANGE == tuple(sorted(test_model.ORANGE, reverse=True))
    assert test_model.BLUE == tuple(sorted(test_model.BLUE))


def test_the_gap_glows_where_a_9_was_opened(network, data):
    _, X_test, _, y_test = data
    found = []
    for pixels in X_test[y_test == 9]:
        opened = np.where(NEAR, np.float32(0), pixels)
        p = network.predict_on_batch(opened) * (pixels > 0.5)[:, np.newaxis]
        gap = p[:, 4].argmax()  # whichever spot makes it most like a 4
        if p[gap].argmax() == 4 and len(found) < 30:
            image = test_model.explain(network, opened[gap], 4, 9)
            glow = np.where(opened[gap] == 0, image.sum(axis=2).ravel(), 0)
            found.append(np.abs(SPOTS[glow.argmax()] - SPOTS[gap]).max() <= 2)
    assert len(found) >= 15 and np.mean(found) > 0.7, found
