"""`python test_model.py` counts correctly, shows the counts and explains mistakes."""

import re
import warnings
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import inked, ringed, run
from matplotlib.backends.backend_agg import FigureCanvasAgg

import test_model


def measure(y_test, answers, confidence):
    """Measure a network with these answers, and return the three figures."""
    # Pixel 3 lights up for the answer 3: the brighter, the more confident.
    softmax = keras.layers.Dense(10, activation="softmax")
    network = keras.Sequential([keras.Input((784,)), softmax])
    softmax.set_weights([20 * np.eye(784, 10), np.zeros(10)])
    logits = np.log(9 * np.divide(confidence, np.subtract(1, confidence)))
    X_test = np.float32(np.eye(784)[answers] * logits[:, np.newaxis] / 20)
    averages = np.eye(10, 784)  # the average 3 is pixel 3
    test_model.measure(network, averages, X_test, np.array(y_test))
    for name in "precision_f1.png", "confusion_matrix.png", "mistakes.png":
        assert Path(name).stat().st_size > 2000
    return [plt.figure(number) for number in plt.get_fignums()]


def colours(ax):
    """Return the colour of each of 10 x 10 cells, below its number: RGB from 0 to 1."""
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255
    cells = np.indices((10, 10)).reshape(2, 100)[::-1].T + [0.5, 0.85]
    x, y = ax.transData.transform(cells).astype(int).T
    return picture[y, x].reshape(10, 10, 3)


def test_scores_and_figures_are_those_counted_by_hand(folder, capsys):
    # It reads each digit once, but the 9 as a 4; then one of three 3s as an 8, two 7s
    # as 1s, and a 1. It never answers 9.
    y_test, answers = [*range(10), 3, 3, 3, 7, 7, 1], [*range(9), 4, 3, 3, 8, 1, 1, 1]
    confidence = [0.999] * 10 + [0.992, 0.95, 0.97, 0.95, 0.95, 0.9991]
    scores, matrix, mistakes, *_ = measure(y_test, answers, confidence)
    printed = " ".join(capsys.readouterr().out.split())
    for row in (
        "1 0.5000 1.0000 0.6667 2",  # two of four were 1s, and no 1 was missed
        "3 1.0000 0.7500 0.8571 4",
        "9 0.0000 0.0000 0.0000 1",
        "precision over the digits: 0.7500 Mean F1 score over the digits: 0.7357",
        "Accuracy: 75.00% of 16 test images",
        "At least 99% sure: 11 of 12 are right",
        "Less than 99% sure: 1 of 4 are right",
    ):
        assert row in printed
    ax = scores.axes[0]
    points = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert np.allclose(points["Precision"], [1, 0.5, 1, 1, 0.5, 1, 1, 1, 0.5, 0])
    assert np.allclose(points["Recall"], [1, 1, 1, 3 / 4, 1, 1, 1, 1 / 3, 1, 0])
    f1 = [1, 2 / 3, 1, 6 / 7, 2 / 3, 1, 1, 1 / 2, 2 / 3, 0]
    assert np.allclose(points["F1 score"], f1)
    assert ax.get_ylim()[0] <= 0 and ax.get_ylim()[1] == 1
    ax = matrix.axes[0]
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("True digit", "Predicted digit")
    assert "4 mistakes in 16 images" in ax.get_title()
    numbers = {text.get_position()[::-1]: int(text.get_text()) for text in ax.texts}
    assert len(numbers) == 100 and sum(numbers.values()) == 16
    assert numbers[3.5, 3.5] == 3 and numbers[3.5, 8.5] == 1 and numbers[7.5, 1.5] == 2
    lightness, vividness = colours(ax).mean(axis=2), np.ptp(colours(ax), axis=2)
    worst, other, right, none = lightness[[7, 3, 3, 0], [1, 8, 3, 1]]
    assert worst < other - 0.1 and other < none - 0.2 and right < none - 0.05
    assert min(vividness[7, 1], vividness[3, 8]) > 0.2 and vividness[3, 3] < 0.05
    titles = [ax.get_title().split("\n")[0] for ax in mistakes.axes]
    assert titles == ["9 read as 4", "3 read as 8", "7 read as 1", "7 read as 1"]
    assert ringed(mistakes.axes[0]) == 9 and ringed(mistakes.axes[1]) == 3


def test_the_figures_suit_a_perfect_network_and_a_biased_one(folder, capsys):
    with warnings.catch_warnings(action="error"):
        scores, matrix, mistakes = measure(range(10), range(10), [0.9999] * 10)
    assert "Less than 99% sure: 0 of 0 are right" in capsys.readouterr().out
    assert scores.axes[0].get_ylim()[0] < 1
    assert colours(matrix.axes[0])[0, 1:].min() > 0.9, "Empty cells should be white."
    assert not mistakes.axes and "0 mistakes" in mistakes.get_suptitle()
    biased = measure([*range(10), *range(5)], [*range(10), *[5] * 5], [0.9] * 15)
    assert "digit 5" in biased[-3].axes[0].get_title(), "Its F1 is lowest, not recall."


def test_without_a_whole_network_it_says_what_to_do(trained, folder):
    saved = (trained[0] / "mnist.keras").read_bytes()
    for size in None, 0, 50_000:
        if size is not None:  # otherwise there's no file at all
            Path("mnist.keras").write_bytes(saved[:size])
        said = run(test_model)
        assert re.fullmatch("mnist.keras can't be loaded: .*`python model.py`.*", said)


@pytest.fixture(scope="module")
def examples(network, data, averages):
    """Mistakes, then as many right answers: pixels, answer, rival, rival's average."""
    p = network.predict(data[1], verbose=0)
    (answers, runners_up), truth = np.argsort(-p, axis=1)[:, :2].T, data[3]
    rivals = np.where(answers == truth, runners_up, truth)
    chosen = np.argsort(answers == truth, kind="stable")[: 2 * sum(answers != truth)]
    return [(data[1][i], answers[i], rivals[i], averages[rivals[i]]) for i in chosen]


@pytest.mark.parametrize("ink", [0, 1])
def test_lead_lost_is_what_changes_by_hand_cost(data, ink):
    image, filters = keras.layers.Reshape((28, 28, 1)), keras.layers.Conv2D(4, 3, 2)
    rest = keras.layers.Flatten(), keras.layers.Dense(10, "softmax")
    network = keras.Sequential([keras.Input((784,)), image, filters, *rest])
    # Inverted digits too, because their margins and corners have ink to rub out.
    for pixels in [*data[1][:4], *(1 - data[1][:4])]:
        changed = [inked(pixels, spot, ink) for spot in range(784)]
        p = network.predict_on_batch(np.stack([pixels, *changed]))
        lead = np.log(p[:, 3] / p[:, 5])
        lost = test_model.lead_lost(network, pixels.copy(), 3, 5, ink)
        assert np.allclose(lost, lead[0] - lead[1:], rtol=0, atol=1e-3)


def test_colours_say_what_ink_is_for_and_what_is_missing(network, examples):
    for pixels, answer, rival, average in examples[::3]:
        image = test_model.explain(network, pixels, answer, rival, average)
        assert image.shape == (28, 28, 3) and 0 <= image.min() <= image.max() <= 1
        colours, ink = image.reshape(784, 3), pixels > 0.95
        lost = test_model.lead_lost(network, pixels, answer, rival, ink=0)
        share = lost / np.abs(lost * pixels).max()
        orange, blue = colours[ink & (share > 0.1)], colours[ink & (share < -0.1)]
        assert np.all(orange[:, 0] > orange[:, 2]) and np.all(blue[:, 0] < blue[:, 2])
        assert np.all(colours[ink & (np.abs(share) < 0.02)] > 0.88), "white"
        black = colours[pixels == 0]
        assert np.allclose(black, black[:, 2:] * test_model.BLUE), "no blue glow"
        lost = test_model.lead_lost(network, pixels, answer, rival, ink=1)
        glow = test_model.missing_ink(network, pixels, answer, rival, average)
        assert not glow[(pixels == 1) | (lost <= 0)].any(), "Ink wouldn't help there."
    lightness = np.array([test_model.ORANGE, test_model.BLUE]) @ [0.3, 0.6, 0.1]
    assert lightness[0] > lightness[1] + 0.15, "They should differ in grey, too."


def test_the_ring_is_where_ink_helps_the_rival_most(network, examples, averages, data):
    assert np.allclose(averages[3], data[0][data[2] == 3].mean(axis=0), atol=1e-6)
    found = []
    for pixels, answer, rival, average in examples:
        ax = plt.figure().add_subplot()
        said = test_model.show_reasons(ax, network, pixels, answer, rival, average)
        image, spot = ax.images[0].get_array().reshape(784, 3), ringed(ax)
        assert image[spot, 2] > 0.99 and pixels[spot] < 0.9, "It should glow there."
        p = network.predict_on_batch(inked(pixels, spot)[np.newaxis])[0]
        still = "still " if p.argmax() == answer else ""
        assert said == f"{still}{p.argmax()}, {min(p.max(), 0.99):.0%}"
        found.append((average[spot] > 0.05, p.argmax() == rival))
        plt.close("all")
    likely, helped = np.transpose(found)  # the first half are mistakes
    assert np.mean(likely) >= 0.95, "The rival's digits hardly ever have ink there."
    assert np.mean(helped[: len(found) // 2]) >= 0.5, "At random, it's 2 in 10."


@pytest.mark.parametrize("factor", [0, 1000])
def test_there_are_reasons_whatever_the_network(network, examples, factor, folder):
    odd = keras.models.clone_model(network)  # unsure of everything, or always very sure
    odd.set_weights([factor * array for array in network.get_weights()])
    ax = plt.figure().add_subplot()
    said = test_model.show_reasons(ax, odd, *examples[0])
    image, white = ax.images[0].get_array(), examples[0][0].reshape(28, 28, 1)
    assert np.isfinite(image).all()
    if factor == 0:
        assert not said and not ax.patches and np.allclose(image, white, atol=0.01)
