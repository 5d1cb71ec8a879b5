"""`python test_model.py three.png`, or with --draw, reads its users' own digits."""

from itertools import pairwise
from pathlib import Path
from unittest import mock

import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import first_and_second, run
from matplotlib.backend_bases import KeyEvent, MouseEvent
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

import test_model


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
    """A page half in a shadow, which falls from the left, blurred by a camera."""
    light = 0.5 + 0.5 / (1 + np.exp(np.linspace(10, -10, 400)))
    pixels = np.asarray(drawn(digit, "#282840", "#d8d4cc").convert("RGB"))
    pixels = np.uint8(pixels * light.reshape(1, 400, 1))
    return Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2))


def on_a_sheet(digit, size=44):
    """A4 at 100 dots per inch, with a digit of 8 mm on it: 31 pixels of these 44."""
    sheet = drawn(digit, "#282840", "#d8d4cc", size, (827, 1169), (470, 730))
    return sheet.filter(ImageFilter.GaussianBlur(1))


def within(digit, around, x, y):
    """A white canvas with this on all its sides, such as a dark screen."""
    screen = Image.new("RGBA", (400 + 2 * x, 400 + 2 * y), around)
    screen.paste(drawn(digit), (x, y))
    return screen


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
    "half in a shadow": photographed,
    "on a sheet of paper": on_a_sheet,
    "tiny": lambda d: drawn(d).resize((28, 28)),
    "interrupted": beside("rectangle", (0, 190), (400, 198), fill="white"),
    "a speck": beside("ellipse", (12, 12), (18, 18), fill="black"),
    "a frame at the edge": beside("rectangle", (0, 0), (399, 399), outline="black"),
    "something on the left": beside("rectangle", (0, 60), (54, 340), fill="#222222"),
    "on the right": beside("rectangle", (345, 60), (399, 340), fill="#222222"),
    "at the top": beside("rectangle", (60, 0), (340, 54), fill="#222222"),
    "at the bottom": beside("rectangle", (60, 345), (340, 399), fill="#222222"),
    "a dark screen": lambda d: within(d, "#1c1c1e", 20, 22),
    "more dark screen": lambda d: within(d, "#1c1c1e", 20, 86),
    "a window's shadow": lambda d: within(d, (0, 0, 0, 80), 60, 60),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_digit_is_the_same_whatever_it_looks_like(originals, network, look):
    pictures, digits = originals
    X = np.stack([test_model.prepare(LOOKS[look](picture)) for picture in pictures])
    assert X.shape == (20, 784) and X.dtype == np.float32
    assert X.min() == 0 and np.all(X.max(axis=1) == 1)
    answers = network.predict(X, verbose=0).argmax(axis=1)
    assert np.sum(answers == digits) >= 18, answers


@pytest.mark.parametrize("look", ["black on white", "a speck", "interrupted", "tiny"])
def test_a_prepared_digit_lies_where_mnists_do(originals, look):
    off_centre = 0.25 if look == "black on white" else 0.6
    for picture in originals[0]:
        image = test_model.prepare(LOOKS[look](picture)).reshape(28, 28)
        assert np.allclose(ndimage.center_of_mass(image), 14, atol=off_centre)
        (box,) = ndimage.find_objects(np.int_(image > 0.05))
        assert 18 <= max(side.stop - side.start for side in box) <= 21


def test_a_small_digit_is_as_sharp_as_a_large_one(originals):
    for digit in originals[0][::4]:
        small, large = map(test_model.prepare, (on_a_sheet(digit, 66), drawn(digit)))
        assert np.abs(small - large).mean() < 0.025


@pytest.mark.parametrize("size", [1, 6, 12, 18])
def test_a_page_with_nothing_but_dust_is_blank(size):
    page = Image.new("L", (1240, 1754), "white")
    for x, y in (200, 200), (620, 800), (1100, 1600):
        ImageDraw.Draw(page).ellipse((x, y, x + size - 1, y + size - 1), fill="black")
    assert not test_model.prepare(page).any()
    assert not test_model.prepare(page.point(lambda value: 205 + value // 5)).any()


def test_pictures_are_named_with_digit_or_reason(network, originals, folder, capsys):
    network.save("mnist.keras")
    drawn(originals[0][6]).save("three.png")
    sideways = drawn(originals[0][14]).convert("RGB").rotate(90)
    sideways.getexif()[0x0112] = 6  # turn it back, as phones say it
    sideways.save("seven.jpg", exif=sideways.getexif())
    Path("words.png").write_text("not a picture")
    blank = {"blank.png": (300, 200), "strip.png": (5000, 2), "pixel.png": (1, 1)}
    for name, size in blank.items():
        Image.new("RGB", size, "white").save(name)
    unread = ["words.png", "missing.png"]
    assert run(test_model, "three.png", *unread, *blank, "seven.jpg") != 0
    out, err = capsys.readouterr()
    answers = dict(line.split(": ") for line in out.splitlines() if ": " in line)
    assert list(answers) == ["three.png", *blank, "seven.jpg"]
    assert answers["three.png"][:3] == "3 (" and answers["seven.jpg"][:3] == "7 ("
    assert all(answers[name] == "blank page" for name in blank)
    assert [line.split(":")[0] for line in err.splitlines()] == unread
    assert "Getting MNIST" not in out and Path("own_digits.png").exists()
    # The figure shows what the network saw, and why that isn't the runner-up.
    figure = plt.gcf()
    assert "Orange: for the answer. Blue: for its rival." in figure.get_suptitle()
    titles = [ax.get_title().splitlines()[0] for ax in figure.axes]
    assert titles == list(answers.values())
    image, black = (ax.images[0].get_array() for ax in figure.axes[:2])
    pixels = test_model.prepare(Image.open("three.png"))
    first, second, _ = first_and_second(network, pixels)
    assert figure.axes[0].get_title().endswith(f" sure)\nrunner-up: {second}")
    why = test_model.explain(network, pixels, first, second)
    assert np.allclose(image, why, atol=0.01)
    assert figure.axes[1].get_title() == "blank page" and not np.any(black)
    assert run(test_model, "three.png", "seven.jpg") == 0
    assert run(test_model, "three.png", "blank.png") != 0
    # A mistake in the code isn't taken for an odd picture.
    with mock.patch.object(test_model, "find_ink", abs), pytest.raises(TypeError):
        run(test_model, "three.png")
    said = run(test_model, "--draw")
    assert "window" in said and "\n" not in said


class Mouse:
    """Draws in a window with mouse events, on its page from (0, 0) to (1, 1)."""

    def __init__(self, network):
        self.fig = test_model.drawing_window(network)
        self.page, self.seen, self.bars = self.fig.axes

    def send(self, name, point, button=1):
        place = self.page.transAxes.transform(point)
        event = MouseEvent(name, self.fig.canvas, *place, button)
        self.fig.canvas.callbacks.process(name, event)

    def draw(self, *points):
        self.fig.canvas.draw()  # now each thing is in its place
        self.send("button_press_event", points[0])
        for start, end in pairwise(points):
            for place in np.linspace(start, end, 9):
                self.send("motion_notify_event", place)
        self.send("button_release_event", points[-1])

    def click(self, button, point=(0.5, 0.5)):
        self.fig.canvas.draw()
        self.send("button_press_event", point, button)
        self.send("button_release_event", point, button)

    def result(self):
        return self.fig.get_suptitle(), np.asarray(self.seen.images[0].get_array())


def test_what_is_drawn_is_shown_and_read(network, folder):
    mouse = Mouse(network)
    mouse.draw((0.5, 0.85), (0.5, 0.15))
    assert mouse.result()[0].startswith("It reads: 1 (")
    mouse.draw((0.2, 0.15), (0.8, 0.15))  # now it looks like an upturned T
    page = mouse.page.images[0].get_array()
    dark = page[..., 0] < 128
    assert ndimage.label(dark)[1] == 1, "The line has gaps."
    assert dark[425, 120:380].all() and not dark[50:350, :200].any()
    pixels = test_model.prepare(Image.fromarray(np.asarray(page)))
    first, second, p = first_and_second(network, pixels)
    title, image = mouse.result()
    assert title.startswith(f"It reads: {first} ({test_model.in_words(p[first])} sure)")
    assert f"Orange speaks for {first}, blue for {second}." in title
    why = test_model.explain(network, pixels, first, second)
    assert np.allclose(image, why, atol=0.01)
    colours = {first: test_model.ORANGE, second: test_model.BLUE}
    for digit, bar in enumerate(mouse.bars.patches):
        assert bar.get_height() == pytest.approx(p[digit], abs=1e-4)
        assert to_rgb(bar.get_facecolor()) == colours.get(digit, to_rgb("grey"))
    with mock.patch.object(mouse.fig.canvas, "draw_idle") as drawn_again:
        mouse.click(3)
    assert drawn_again.called
    title, image = mouse.result()
    assert title.strip() == "It reads: blank page" and not image.any()
    assert mouse.page.images[0].get_array().min() == 255


def test_odd_clicks_keys_and_screens_do_no_harm(network, folder):
    with plt.style.context("dark_background"):
        mouse = Mouse(network)
    mouse.fig.set_dpi(225)
    mouse.click(1, (1.5, 0.5))
    mouse.draw((0.4, 0.5), (2.0, 2.0), (0.5, -3.0), (0.4, 0.6))
    mouse.fig.set_size_inches(6, 5)
    mouse.click(3)
    middle = mouse.page.transAxes.transform((0.5, 0.5))
    for key in "lkpogcvrfh":
        event = KeyEvent("key_press_event", mouse.fig.canvas, key, *middle)
        mouse.fig.canvas.callbacks.process(event.name, event)
    assert mouse.result()[0].strip() == "It reads: blank page"
    mouse.draw((0.7, 0.2), (0.7, 0.8))
    assert mouse.result()[0].startswith("It reads: 1 (")
    dark = mouse.page.images[0].get_array()[..., 0] < 128
    assert np.allclose(ndimage.center_of_mass(dark), (250, 350), atol=5)
