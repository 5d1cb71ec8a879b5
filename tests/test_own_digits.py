"""`python test_model.py three.png`, or with --draw, reads its users' own digits."""

from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backend_bases import MouseEvent
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

import test_model

pytestmark = pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")


@pytest.fixture(scope="module")
def originals(network, data):
    """Two images of each digit that the network reads well, as Pillow images."""
    _, X_test, _, y_test = data
    sure = network.predict(X_test, verbose=0)[np.arange(1000), y_test]
    best = [i for d in range(10) for i in np.argsort(-sure * (y_test == d))[:2]]
    pixels = np.uint8(255 * X_test[best]).reshape(-1, 28, 28)
    return [Image.fromarray(image) for image in pixels], y_test[best]


def drawn(digit, ink="black", paper="white", size=240, page=(400, 400), place=(80, 80)):
    """Return a page with the MNIST image `digit` on it, in these colours."""
    picture = Image.new("RGBA", page, paper)
    picture.paste(ink, place, digit.resize((size, size)))
    return picture


def photographed(digit):
    """A page in a shadow that takes half the light on one side, blurred by a camera."""
    pixels = np.asarray(drawn(digit, "#282840", "#d8d4cc").convert("RGB"))
    light = np.linspace(0.5, 1, 400).reshape(1, 400, 1)
    return Image.fromarray(np.uint8(pixels * light)).filter(ImageFilter.GaussianBlur(2))


def beside(shape, *points, **style):
    """Return a look with something else on the page: a shape of Pillow's ImageDraw."""

    def look(digit):
        page = drawn(digit)
        getattr(ImageDraw.Draw(page), shape)(points, **style)
        return page

    return look


LOOKS = {
    "black on white": drawn,
    "white on black": lambda d: drawn(d, "white", "black"),
    "red on green": lambda d: drawn(d, "#c80000", "#006e00"),
    "black on nothing": lambda d: drawn(d, paper=(0, 0, 0, 0)),
    "white on nothing": lambda d: drawn(d, "white", (0, 0, 0, 0)),
    "in a shadow": photographed,
    "in a corner": lambda d: drawn(d, size=84, page=(900, 600), place=(790, 500)),
    "on a large page": lambda d: drawn(d, size=700, page=(1600, 1200)),
    "tiny": lambda d: drawn(d).resize((28, 28)),
    "interrupted": beside("rectangle", (0, 190), (400, 198), fill="white"),
    "CMYK": lambda d: drawn(d).convert("RGB").convert("CMYK"),
    "a speck": beside("ellipse", (12, 12), (18, 18), fill="black"),
    "a frame": beside("rectangle", (15, 15), (384, 384), outline="black", width=2),
    "a frame at the edge": beside("rectangle", (0, 0), (399, 399), outline="black"),
    "a rim": beside("rectangle", (0, 0), (9, 399), fill="#222222"),
    "a thumb": beside("ellipse", (-40, 300), (60, 450), fill="#d9a58a"),
    "a desk": beside("rectangle", (0, 0), (399, 399), outline="#665544", width=28),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_digit_is_the_same_whatever_it_looks_like(originals, network, look):
    pictures, digits = originals
    X = np.stack([test_model.prepare(LOOKS[look](picture)) for picture in pictures])
    assert X.shape == (20, 784) and X.dtype == np.float32
    assert X.min() == 0 and np.all(X.max(axis=1) == 1)
    answers = network.predict(X, verbose=0).argmax(axis=1)
    assert np.sum(answers == digits) >= 17, answers


@pytest.mark.parametrize("look", ["black on white", "a speck", "interrupted", "tiny"])
def test_a_prepared_digit_lies_where_mnists_do(originals, look):
    for picture in originals[0]:
        image = test_model.prepare(LOOKS[look](picture)).reshape(28, 28)
        assert np.allclose(ndimage.center_of_mass(image), 14, atol=0.6)
        (box,) = ndimage.find_objects(np.int_(image > 0.05))
        assert 18 <= max(side.stop - side.start for side in box) <= 21


def test_a_thin_straight_line_is_a_digit(network):
    page = Image.new("L", (800, 800), "white")
    ImageDraw.Draw(page).line((400, 100, 400, 700), fill="black", width=3)
    _, probabilities, _ = test_model.read(network, page)
    assert probabilities.argmax() == 1


def test_a_blank_page_is_blank_even_with_a_few_dark_pixels():
    page = Image.new("L", (200, 200), "white")
    assert not test_model.prepare(page).any()
    for place in (20, 20), (100, 90), (180, 150):
        page.putpixel(place, 0)
    assert not test_model.prepare(page).any()


def test_each_picture_gets_a_line(run, network, originals, folder, capsys):
    network.save("mnist.keras")
    drawn(originals[0][6]).save("three.png")
    sideways = photographed(originals[0][14]).transpose(Image.Transpose.ROTATE_90)
    sideways.getexif()[0x0112] = 6  # turn it back, as phones say it
    sideways.save("seven.jpg", exif=sideways.getexif())
    Path("words.png").write_text("not a picture")
    Image.new("RGB", (300, 200), "white").save("blank.png")
    names = ["three.png", "words.png", "seven.jpg", "missing.png", "blank.png"]
    assert run(test_model, *names) != 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split(" (")[0] for line in lines[:3]] == [
        "three.png: 3",
        "seven.jpg: 7",
        "blank.png: blank page",
    ]
    assert [line.split(":")[0] for line in err.splitlines()] == [names[1], names[3]]
    assert "Getting MNIST" not in out
    assert {path.name for path in folder.glob("own*")} == {"own_digits.png"}
    titles = [ax.get_title() for ax in plt.gcf().axes]
    assert titles == [line.split(": ")[1] for line in lines[:3]]
    assert run(test_model, "three.png", "seven.jpg") == 0
    assert run(test_model, "three.png", "blank.png") != 0


class Mouse:
    """Draws in a window with real mouse events, in parts of its page from 0 to 1."""

    def __init__(self, network):
        self.fig = test_model.drawing_window(network)
        self.page, self.seen, self.bars = self.fig.axes

    def send(self, kind, point, button=1):
        x, y = self.page.transData.transform(point)
        MouseEvent(f"{kind}_event", self.fig.canvas, x, y, button)._process()

    def draw(self, *points):
        self.send("button_press", points[0])
        for start, end in pairwise(points):
            for place in np.linspace(start, end, 9):
                self.send("motion_notify", place)
        self.send("button_release", points[-1])

    def click(self, button, point=(0.5, 0.5)):
        self.send("button_press", point, button)
        self.send("button_release", point, button)

    def result(self):
        return self.fig.get_suptitle(), np.asarray(self.seen.images[0].get_array())


def test_what_is_drawn_is_read(network, folder):
    mouse = Mouse(network)
    mouse.draw((0.5, 0.85), (0.5, 0.15))
    assert mouse.result()[0].startswith("It reads a 1 (")
    mouse.draw((0.2, 0.15), (0.8, 0.15))  # now it looks like an upturned T
    answer, image = mouse.result()
    assert image[:12, :10].sum() == 0 < image[18:, :10].sum()
    probabilities = network.predict(image.reshape(1, 784), verbose=0)[0]
    sure = f"{probabilities.argmax()} ({probabilities.max():.1%} sure)"
    assert answer == f"It reads a {sure}"
    assert np.allclose([bar.get_height() for bar in mouse.bars.patches], probabilities)
    mouse.click(3)
    answer, image = mouse.result()
    assert answer == "It reads a blank page" and not image.any()


def test_nothing_breaks_the_window(network, folder):
    mouse = Mouse(network)
    mouse.click(3)
    mouse.click(1)
    mouse.click(1, (1.5, 0.5))
    mouse.draw((0.4, 0.5), (2.0, 2.0), (0.5, -3.0), (0.4, 0.6))
    mouse.fig.set_size_inches(6, 5)
    mouse.click(3)
    mouse.draw((0.5, 0.2), (0.5, 0.8))
    assert mouse.result()[0].startswith("It reads a 1 (")


def test_without_a_window_it_says_so(run, network, folder):
    network.save("mnist.keras")
    said = run(test_model, "--draw")
    assert "window" in said and "\n" not in said


def test_drawing_and_pictures_exclude_each_other(run, capsys):
    assert run(test_model, "--draw", "three.png") == 2
    assert "--draw" in capsys.readouterr().err
