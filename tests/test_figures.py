"""The figures show where the network errs, and the README's are up to date."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.testing.compare import compare_images
from matplotlib.text import Text
from PIL import Image
from update_figures import DPI, FIGURES, draw, labels, scores

import test_model

STORED = dict(np.load(FIGURES / "full_run.npz"))
NAMES = ["precision_f1.png", "confusion_matrix.png", "mistakes.png"]


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def distance(name, figure, folder):
    """Return the RMS difference of `figure` and the README's picture, save for text.

    Each release of matplotlib draws letters a little differently. So they are painted
    over in both pictures here, and compared as text elsewhere.
    """
    figure.savefig(folder / "drawn.png", dpi=DPI)
    images = [Image.open(FIGURES / name), Image.open(folder / "drawn.png")]
    width, height = images[0].size
    assert images[1].size == (width, height)
    renderer = figure.canvas.get_renderer()
    for text in figure.findobj(Text):
        box = text.get_window_extent(renderer).padded(5)
        x0, x1 = (round(x * DPI / figure.dpi) for x in (box.x0, box.x1))
        y0, y1 = (height - round(y * DPI / figure.dpi) for y in (box.y1, box.y0))
        if text.get_text():
            for image in images:
                image.paste("white", (x0, y0, x1, y1))
    for image, half in zip(images, ("expected.png", "actual.png")):
        image.convert("RGB").reduce(8).save(folder / half)
    paths = str(folder / "expected.png"), str(folder / "actual.png")
    result = compare_images(*paths, tol=0, in_decorator=True)
    return result["rms"] if result else 0


@pytest.mark.parametrize(
    ("name", "tolerance"),
    # Releases 3.8 to 3.11 of matplotlib differ by 1.3, 1.0 and 5.7 in these pictures.
    # A bar longer by 0.002, another colour scale and another image make 3.8, 4.9 and 11.
    list(zip(NAMES, (2.2, 2.2, 8))),
)
def test_the_readmes_pictures_are_up_to_date(name, tolerance, tmp_path):
    figure = draw(STORED)[name]
    assert Image.open(FIGURES / name).text["Description"] == labels(figure)
    assert distance(name, figure, tmp_path) < tolerance


def test_the_comparison_would_show_a_change(tmp_path):
    precision, _, f1 = scores(STORED["matrix"])
    changed = precision + 0.002 * (np.arange(10) == 3)
    figure = test_model.plot_scores(changed, f1)
    assert distance("precision_f1.png", figure, tmp_path) > 2.2

    figure = test_model.plot_confusion_matrix(STORED["matrix"])
    figure.axes[0].collections[0].set_clim(0, 20)
    assert distance("confusion_matrix.png", figure, tmp_path) > 2.2
    figure.axes[0].set_xlabel("Guess")
    assert Image.open(FIGURES / "confusion_matrix.png").text["Description"] != labels(
        figure
    )


@pytest.mark.parametrize(
    "precision",
    [np.linspace(0.97, 0.99, 10), np.linspace(0, 0.9, 10), np.ones(10)],
    ids=["good", "bad", "perfect"],
)
def test_the_scale_of_the_scores_starts_below_the_worst_and_says_so(precision):
    ax = test_model.plot_scores(precision, precision[::-1]).axes[0]
    bottom, top = ax.get_ylim()
    assert 0 <= bottom <= precision.min() and top > 1
    assert f"the scale starts at {bottom:.2f}" in ax.get_ylabel()
    assert max(ax.get_yticks()) == pytest.approx(1)
    heights = [patch.get_height() for patch in ax.patches]
    assert np.allclose(heights, [*precision, *precision[::-1]])
    assert {f"{score:.3f}" for score in precision} <= {t.get_text() for t in ax.texts}


def luminance(colour):
    """Relative luminance, https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    rgb = np.asarray(colour[:3])
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize(
    "matrix",
    [STORED["matrix"], np.diag(np.full(10, 100)), np.arange(100).reshape(10, 10)],
    ids=["the full run", "perfect", "bad"],
)
def test_every_count_is_readable_and_the_worst_mistake_darkest(matrix):
    figure = test_model.plot_confusion_matrix(matrix)
    ax = figure.axes[0]
    figure.canvas.draw()
    assert sorted(int(t.get_text()) for t in ax.texts) == sorted(matrix.ravel())
    assert {t.get_color() for t in ax.texts} == {"black"}
    mistakes, right = (cells.get_facecolors() for cells in ax.collections)
    shown = [colour for colour in (*mistakes, *right) if colour[3] > 0]
    assert len(shown) == 100
    lights = np.array([luminance(colour) for colour in shown])
    assert ((lights + 0.05) / 0.05 > 4.5).all()  # the contrast that WCAG asks for
    if matrix.sum() > np.trace(matrix):
        wrong = np.where(np.eye(10, dtype=bool), -1, matrix)
        darkest = np.argmin([luminance(c) if c[3] else 1 for c in mistakes])
        assert darkest == wrong.argmax()


def test_precision_and_f1_differ_in_lightness_for_the_colour_blind():
    from matplotlib.colors import to_rgb

    figure = test_model.plot_scores(np.ones(10), np.ones(10))
    first, second = (bars[0].get_facecolor() for bars in figure.axes[0].containers)
    lights = sorted((luminance(to_rgb(first)), luminance(to_rgb(second))))
    assert (lights[1] + 0.05) / (lights[0] + 0.05) > 3


@pytest.mark.parametrize("count", [0, 1, 5, 18, 19, len(STORED["y_true"])])
def test_the_mistakes_are_shown_most_confident_first(count):
    X, y_true, probabilities = (
        STORED[name][:count] for name in ("X", "y_true", "probabilities")
    )
    # Right answers, however certain, are not among them.
    sure = np.eye(10)[[3, 4]]
    figure = test_model.plot_mistakes(
        np.concatenate([X, STORED["X"][:2]]) / 255,
        np.concatenate([y_true, [3, 4]]),
        np.concatenate([probabilities, sure]),
    )
    shown = [ax for ax in figure.axes if ax.images]
    assert len(shown) == min(count, 18)
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    for ax, i in zip(shown, order):
        taken_for = probabilities[i].argmax()
        assert ax.get_title().startswith(f"{y_true[i]} taken for {taken_for}\n")
        assert f"{probabilities[i].max():.2%}" in ax.get_title()
        assert np.allclose(ax.images[0].get_array(), X[i].reshape(28, 28) / 255)
    assert (str(count) if count else "No mistakes") in figure.get_suptitle()


def test_drawing_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        test_model.plot_scores(np.zeros(10), np.zeros(10))
        test_model.plot_confusion_matrix(np.zeros((10, 10), dtype=int))
        for figure in draw(STORED).values():
            figure.canvas.draw()
