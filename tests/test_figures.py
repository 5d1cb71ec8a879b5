"""The figures show at a glance where the network goes wrong."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from record_whole_run import RECORD

import test_model

# Drawing warns of nothing. (Sockets of other tests may be closed meanwhile.)
pytestmark = pytest.mark.filterwarnings("error", "ignore::ResourceWarning")

ROWS = json.loads(RECORD.read_text("utf-8"))["confusion matrix"]
MATRIX = np.array([row.split() for row in ROWS], dtype=int)
PERFECT = np.diag(np.full(10, 100))


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def luminance(colour):
    """Relative luminance, https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    rgb = np.asarray(to_rgb(colour))
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(colour, other):
    dark, light = sorted((luminance(colour), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    "scores", [np.linspace(0.971, 0.99, 10), np.linspace(0, 0.9, 10), np.ones(10)]
)
def test_the_scale_of_the_scores_starts_below_the_worst_and_says_so(scores, order):
    figure = test_model.plot_scores(*[scores, np.ones(10)][::order])
    ax = figure.axes[0]
    bottom, top = ax.get_ylim()
    assert max(0, scores.min() - 0.051) <= bottom <= scores.min() and top > 1
    assert bottom < scores.min() or bottom == 0
    assert f"scale starts at {bottom:.2f}" in ax.get_ylabel()
    assert max(ax.get_yticks()) == pytest.approx(1)
    assert {f"{score:.3f}" for score in scores} <= {t.get_text() for t in ax.texts}
    figure.canvas.draw()
    box = ax.get_window_extent()
    assert all(text.get_window_extent().y1 <= box.y1 for text in ax.texts)


def test_precision_and_f1_differ_in_lightness_for_the_colour_blind():
    figure = test_model.plot_scores(np.ones(10), np.ones(10))
    first, second = (bars[0].get_facecolor() for bars in figure.axes[0].containers)
    assert contrast(first, second) > 3


@pytest.mark.parametrize(
    "matrix", [MATRIX, PERFECT, np.arange(100).reshape(10, 10), 0 * PERFECT]
)
def test_the_worst_mistake_is_darkest_and_every_count_can_be_read(matrix):
    figure = test_model.plot_confusion_matrix(matrix)
    figure.canvas.draw()
    texts = figure.axes[0].texts
    assert [int(text.get_text()) for text in texts] == matrix.ravel().tolist()
    cells = figure.axes[0].collections[0].get_facecolors()
    assert all(contrast(c, t.get_color()) > 4.5 for c, t in zip(cells, texts))
    on_diagonal = np.eye(10, dtype=bool).ravel()
    assert {to_rgb(cell) for cell in cells[on_diagonal]} == {to_rgb("lightgrey")}
    mistakes = np.where(on_diagonal, -1, matrix.ravel())
    darkest = min(np.flatnonzero(~on_diagonal), key=lambda i: luminance(cells[i]))
    assert mistakes[darkest] == mistakes.max()
    labels = [label.get_rotation() for label in figure.axes[0].get_yticklabels()]
    assert set(labels) == {0}


@pytest.mark.parametrize("count", [0, 1, 5, 18, 19, 60])
def test_the_surest_mistakes_come_first(count, digits):
    X, y_true = digits[0][::50] / 255, digits[1][::50]  # 100 digits
    rng = np.random.default_rng(0)
    probabilities = 0.01 * np.eye(10)[y_true] + 0.99  # right, and the surest of all
    probabilities[:count] = rng.dirichlet(np.ones(10), count) * (
        y_true[:count, None] != range(10)
    )
    figure = test_model.plot_mistakes(X, y_true, probabilities)
    shown = [ax for ax in figure.axes if ax.images]
    assert len(shown) == min(count, 18)
    order = np.argsort(-probabilities[:count].max(axis=1), kind="stable")
    for ax, i in zip(shown, order):
        title = f"{y_true[i]} taken for {probabilities[i].argmax()}\n"
        assert ax.get_title() == title + f"{probabilities[i].max():.2%}"
        assert np.array_equal(ax.images[0].get_array(), X[i].reshape(28, 28))
        assert ax.images[0].get_cmap().name == "gray_r"  # black on white
    assert f"{count} mistakes" in figure.get_suptitle()


@pytest.mark.parametrize("count", [0, 1, 2, 7, 40])
def test_the_titles_of_the_digits_do_not_overlap(count, digits):
    titles = ["3 (61.3% sure, or 8: 30.2%)"] * count
    figure = test_model.plot_digits(digits[0][:count] / 255, titles, "Your digits, as")
    figure.canvas.draw()
    boxes = [ax.title.get_window_extent() for ax in figure.axes if ax.images]
    images = [ax.get_window_extent() for ax in figure.axes if ax.images]
    assert len(boxes) == count
    whole = figure.bbox
    for i, box in enumerate(boxes):
        assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and box.y1 <= whole.y1
        others = boxes[:i] + boxes[i + 1 :] + images
        assert not any(box.overlaps(other) for other in others)
