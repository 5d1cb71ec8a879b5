"""Users' own digits are read, from pictures (three.png) and from the mouse (--draw)."""

import re
from itertools import pairwise
from pathlib import Path
from unittest import mock

import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import ringed, run
from matplotlib.backend_bases import MouseEvent
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image, ImageChops, ImageFilter, ImageOps
from scipy import ndimage

import test_model


@pytest.fixture(scope="module")
def originals(network, data):
    """Two images of each digit that the network reads well, and what they show."""
    sure = network.predict(data[1], verbose=0)[np.arange(1000), data[3]]
    best = [i for d in range(10) for i in np.argsort(-sure * (data[3] == d))[:2]]
    images = np.uint8(255 * data[1][best]).reshape(20, 28, 28)
    return [Image.fromarray(image) for image in images], data[3][best]


def drawn(digit, ink="black", paper="white", size=240, page=(400, 400), place=(80, 80)):
    """Return a page with the MNIST image `digit` on it."""
    picture = Image.new("RGBA", page, paper)
    picture.paste(ink, place, digit.resize((size, size)))
    return picture


def beside(digit, *box, colour="#222222"):
    """Return a page with a digit and a box of this colour on it."""
    page = drawn(digit)
    page.paste(colour, box)
    return page


SHADOW = Image.linear_gradient("L").rotate(90).resize((400, 400))
SHADOW = SHADOW.point(lambda light: 255 if light > 128 else 130)
SHADOW = SHADOW.filter(ImageFilter.GaussianBlur(15))  # its left half is in shadow
EIGHT_MM_ON_A4 = {"size": 44, "page": (827, 1169), "place": (470, 730)}

LOOKS = {
    "black on white": drawn,
    "white on black": lambda d: drawn(d, "white", "black"),
    "red on green": lambda d: drawn(d, "#c80000", "#006e00"),
    "black on nothing": lambda d: drawn(d, paper=(0, 0, 0, 0)),
    "white on nothing": lambda d: drawn(d, "white", (0, 0, 0, 0)),
    "CMYK": lambda d: drawn(d).convert("RGB").convert("CMYK"),
    "half in a shadow": lambda d: ImageChops.multiply(drawn(d).convert("L"), SHADOW),
    "on a sheet": lambda d: drawn(d, "#282840", "#d8d4cc", **EIGHT_MM_ON_A4),
    "tiny": lambda d: drawn(d).resize((28, 28)),
    "cut off": lambda d: drawn(d).crop((0, 0, 400, 80 + 240 * d.getbbox()[3] // 28)),
    "interrupted": lambda d: beside(d, 0, 190, 400, 199, colour="white"),
    "a speck": lambda d: beside(d, 12, 12, 18, 18),
    "a thumb, left": lambda d: beside(d, 0, 60, 55, 340),
    "a thumb, right": lambda d: beside(d, 345, 60, 400, 340),
    "a thumb, top": lambda d: beside(d, 60, 0, 340, 55),
    "a thumb, bottom": lambda d: beside(d, 60, 345, 340, 400),
    "a dark screen": lambda d: ImageOps.expand(drawn(d), (20, 86), "#1c1c1e"),
    "a window's shadow": lambda d: ImageOps.expand(drawn(d), 60, (0, 0, 0, 80)),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_digit_is_read_whatever_it_looks_like(originals, network, look):
    X = np.stack([test_model.prepare(LOOKS[look](digit)) for digit in originals[0]])
    assert X.shape == (20, 784) and X.dtype == np.float32
    assert X.min() == 0 and np.all(X.max(axis=1) == 1)
    answers = network.predict(X, verbose=0).argmax(axis=1)
    assert np.sum(answers == originals[1]) >= 18, answers
    # Digits should lie where MNIST's do and be as large.
    images = X.reshape(20, 28, 28)
    centres = [ndimage.center_of_mass(image) for image in images]
    assert np.allclose(np.median(centres, axis=0), 14, atol=0.3), centres
    sizes = [(images > 0.05).any(axis=axis).sum(axis=1) for axis in (1, 2)]
    assert 19 <= np.median(np.max(sizes, axis=0)) <= 21, sizes


def test_a_page_without_a_digit_is_blank():
    dust = Image.new("L", (1240, 1754), "white")
    for x in 200, 600, 900:
        dust.paste("black", (x, x, x + 12, x + 12))
    noise = np.random.default_rng(1).integers(200, 220, (500, 400), "uint8")
    strip, pixel = (Image.new("RGB", size, "white") for size in [(5000, 2), (1, 1)])
    for page in dust, Image.fromarray(noise), strip, pixel:
        assert not test_model.prepare(page).any()


@pytest.fixture
def pictures(network, originals, folder):
    """A folder with the tests' network, and pictures of a 3, a 7, and nothing."""
    network.save("mnist.keras")
    drawn(originals[0][2 * 3]).save("three.png")
    sideways = drawn(originals[0][2 * 7]).convert("RGB").rotate(90)
    sideways.getexif()[0x0112] = 6  # how phones say "turn it back"
    sideways.save("seven.jpg", exif=sideways.getexif())
    Image.new("RGB", (300, 200), "white").save("blank.png")
    Path("words.png").write_text("not a picture")
    Path("half.jpg").write_bytes(Path("seven.jpg").read_bytes()[:2000])


def test_each_picture_gets_a_line_with_digit_or_reason(pictures, capsys, monkeypatch):
    names = ["three.png", "words.png", "none.png", "blank.png", "half.jpg", "seven.jpg"]
    assert run(test_model, *names) == 0
    printed, errors = capsys.readouterr()
    answers = r"three.png: 3 \(.*% sure\)\nblank.png: blank page\nseven.jpg: 7 \("
    assert re.search(answers, printed), printed
    reasons = r"words.png: cannot .*\nnone.png: .*No such file.*\nhalf.jpg: .*truncated"
    assert re.match(reasons, errors), errors
    said = run(test_model, "words.png", "blank.png")
    assert isinstance(said, str) and "\n" not in said
    monkeypatch.setattr(test_model, "find_ink", lambda picture: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # it isn't taken for an odd picture
        run(test_model, "three.png")


def check_reasons(network, averages, pixels, text, ax):
    """Check that `text` is the answer for these pixels, and that `ax` explains it."""
    p = network.predict_on_batch(pixels[np.newaxis])[0]
    answer, rival = np.argsort(-p)[:2]
    assert text == f"{answer} ({min(p[answer], 0.999):.1%} sure)"
    explained = network, pixels, answer, rival, averages[rival]
    assert ringed(ax) == test_model.missing_ink(*explained).argmax()
    image = test_model.explain(*explained)
    assert np.allclose(ax.images[0].get_array(), image, atol=0.01)
    return answer, rival, p


def test_own_digits_come_with_ring_and_proof(pictures, network, averages):
    run(test_model, "three.png", "blank.png", "seven.jpg")
    assert Path("own_digits.png").stat().st_size > 10_000
    for ax, name in zip(plt.gcf().axes, ["three.png", "seven.jpg"], strict=True):
        pixels = test_model.prepare(ImageOps.exif_transpose(Image.open(name)))
        text, proof = ax.get_title().split("\nink in the ring:\n")
        check_reasons(network, averages, pixels, text, ax)
        assert re.fullmatch(r"(still )?\d, \d\d%", proof)


@pytest.fixture
def window(network, averages, folder):
    with plt.style.context("dark_background"):
        return test_model.drawing_window(network, averages)


def draw(window, *points, button=1):
    """Draw a line on the page, from (0, 0) to (1, 1); return the words and the page."""
    window.canvas.draw()  # now everything is in place
    places = window.axes[0].transAxes.transform(points)
    path = [np.linspace(*line, 9) for line in pairwise(places)]
    events = [("button_press_event", places[0])]
    events += [("motion_notify_event", place) for line in path for place in line]
    for name, place in [*events, ("button_release_event", places[-1])]:
        event = MouseEvent(name, window.canvas, *place, button)
        window.canvas.callbacks.process(name, event)
    return window.get_suptitle(), np.asarray(window.axes[0].images[0].get_array())


def test_what_is_drawn_is_shown_and_read(window):
    window.set_dpi(225)  # a screen with small pixels
    places = [ax.get_position().bounds for ax in window.axes]
    assert draw(window, (1.5, 0.5))[0] == "Blank page"  # a click beside the page
    assert draw(window, (0.5, 0.85), (0.5, 0.15))[0].startswith("It reads: 1 (")
    _, page = draw(window, (0.2, 0.15), (0.8, 0.15))  # now it's an upside-down T
    dark = page[:, :, 0] < 128
    assert ndimage.label(dark)[1] == 1, "The line has gaps."
    assert dark[425, 120:380].all() and not dark[50:350, :200].any()
    assert draw(window, (0.1, 0.9))[1][35, 50, 0] == 0, "A click should leave a dot."
    window.canvas.draw()
    assert [ax.get_position().bounds for ax in window.axes] == places, "It jumps."


def test_a_right_click_gives_a_new_page(window):
    draw(window, (0.4, 0.5), (2.0, 2.0), (0.5, -3.0), (0.4, 0.6))  # beyond the page
    window.set_size_inches(6, 5)
    with mock.patch.object(window.canvas, "draw_idle") as drawn_again:
        said, page = draw(window, (0.5, 0.5), button=3)
    assert drawn_again.called and said == "Blank page" and page.min() == 255
    _, seen, bars = window.axes
    assert not [*seen.images, *seen.patches, *bars.patches]
    said, page = draw(window, (0.7, 0.2), (0.7, 0.8))
    assert said.startswith("It reads: 1 (") and page[150:350, 350].max() == 0


def test_a_drawing_comes_with_reasons(window, network, averages):
    line = (0.3, 0.8), (0.3, 0.5), (0.7, 0.5), (0.7, 0.8), (0.65, 0.1)
    said, page = draw(window, *line)
    text, hint = said.removeprefix("It reads: ").split("\n")
    pixels, (_, seen, bars) = test_model.prepare(Image.fromarray(page)), window.axes
    answer, rival, p = check_reasons(network, averages, pixels, text, seen)
    assert re.fullmatch(f"Ink in the ring would .* more like an? {rival}.", hint)
    assert np.allclose([bar.get_height() for bar in bars.patches], p, atol=1e-4)
    colours = [bar.get_facecolor()[:3] for bar in bars.patches]
    assert colours.index(test_model.ORANGE) == answer
    assert colours.index(test_model.BLUE) == rival and len(set(colours)) == 3
    assert len(bars.patches) == 10 and bars.get_ylim() == (0, 1)
    assert list(bars.get_xticks()) == list(range(10)), "a digit below each bar"


def test_it_opens_a_window_and_does_nothing_else(pictures, capsys):
    assert run(test_model, "--draw").startswith("No window")
    plt.close("all")
    screen = mock.patch.object(FigureCanvasAgg, "required_interactive_framework", "tk")
    with screen, mock.patch.object(plt, "show") as show:
        assert run(test_model, "--draw") == 0
    assert show.call_args.kwargs.get("block", True), "It would vanish at once."
    assert len(plt.get_fignums()) == 1 and "Accuracy" not in capsys.readouterr().out
