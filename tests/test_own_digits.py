"""`python test_model.py three.png`, or with --draw, reads its users' own digits."""

from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from conftest import run
from matplotlib.backend_bases import KeyEvent, MouseEvent
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


FALLING = np.linspace(0.5, 1, 400)
HALF = 0.5 + 0.5 / (1 + np.exp(np.linspace(10, -10, 400)))


def photographed(digit, light=FALLING):
    """A page in uneven light, darkest on the left, blurred by a camera."""
    pixels = np.asarray(drawn(digit, "#282840", "#d8d4cc").convert("RGB"))
    pixels = np.uint8(pixels * light.reshape(1, 400, 1))
    return Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(2))


def on_a_sheet(digit):
    """A4 at 150 dots per inch, with a digit of 8 mm on it: 47 pixels."""
    sheet = drawn(digit, "#282840", "#d8d4cc", 66, (1240, 1754), (700, 1100))
    return sheet.filter(ImageFilter.GaussianBlur(1))


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
    "half in a shadow": lambda d: photographed(d, HALF),
    "on a sheet of paper": on_a_sheet,
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
    assert test_model.read(network, page)[2].startswith("1 (")


@pytest.mark.parametrize("size", [1, 6, 12, 18])
def test_a_page_with_nothing_but_dust_is_blank(size):
    page = Image.new("L", (1240, 1754), "white")
    for x, y in (200, 200), (620, 800), (1100, 1600):
        ImageDraw.Draw(page).ellipse((x, y, x + size - 1, y + size - 1), fill="black")
    assert not test_model.prepare(page).any()
    assert not test_model.prepare(page.point(lambda value: 205 + value // 5)).any()


def test_a_page_of_faint_dots_ends_in_numbers():
    page = Image.new("L", (500, 500), 255)
    for x, y in np.ndindex(20, 20):
        page.putpixel((25 * x + 5, 25 * y + 5), 220)
    assert np.isfinite(test_model.prepare(page)).all()


def test_each_picture_gets_a_line(network, originals, folder, capsys):
    network.save("mnist.keras")
    drawn(originals[0][6]).save("three.png")
    sideways = photographed(originals[0][14]).transpose(Image.Transpose.ROTATE_90)
    sideways.getexif()[0x0112] = 6  # turn it back, as phones say it
    sideways.save("seven.jpg", exif=sideways.getexif())
    Path("words.png").write_text("not a picture")
    Image.new("RGB", (300, 200), "white").save("blank.png")
    Image.new("RGB", (5000, 2), "white").save("strip.png")
    Image.new("RGB", (1, 1), "red").save("pixel.png")
    unread = ["words.png", "missing.png"]
    blank = ["blank.png", "strip.png", "pixel.png"]
    names = ["three.png", *unread, *blank, "seven.jpg"]
    assert run(test_model, *names) != 0
    out, err = capsys.readouterr()
    answers = dict(line.split(": ") for line in out.splitlines() if ": " in line)
    assert list(answers) == ["three.png", *blank, "seven.jpg"]
    assert answers["three.png"][:3] == "3 (" and answers["seven.jpg"][:3] == "7 ("
    assert all(answers[name] == "blank page" for name in blank)
    assert [line.split(":")[0] for line in err.splitlines()] == unread
    assert "Getting MNIST" not in out and Path("own_digits.png").exists()
    titles = [ax.get_title().splitlines()[0] for ax in plt.gcf().axes]
    assert titles == list(answers.values())
    assert run(test_model, "three.png", "seven.jpg") == 0
    assert run(test_model, "three.png", "blank.png") != 0


def test_a_mistake_in_the_code_is_not_taken_for_an_odd_picture(
    network, folder, monkeypatch
):
    network.save("mnist.keras")
    Image.new("RGB", (9, 9)).save("picture.png")
    monkeypatch.setattr(test_model, "find_ink", lambda picture: picture.size + 1)
    with pytest.raises(TypeError):
        run(test_model, "picture.png")


class Mouse:
    """Draws in a window with mouse events, on its page from (0, 0) to (1, 1)."""

    def __init__(self, network):
        self.fig = test_model.drawing_window(network)
        self.page, self.seen, self.bars = self.fig.axes

    def send(self, name, point, what=1, event=MouseEvent):
        place = self.page.transAxes.transform(point)
        if event is MouseEvent:
            event = event(name, self.fig.canvas, *place, what)
        else:
            event = event(name, self.fig.canvas, what, *place)
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

    def press(self, key):
        self.send("key_press_event", (0.5, 0.5), key, KeyEvent)

    def result(self):
        return self.fig.get_suptitle(), self.seen.images[0].get_alpha()


def test_what_is_drawn_is_read(network, folder):
    mouse = Mouse(network)
    mouse.draw((0.5, 0.85), (0.5, 0.15))
    assert mouse.result()[0].startswith("It reads: 1 (")
    mouse.draw((0.2, 0.15), (0.8, 0.15))  # now it looks like an upturned T
    title, image = mouse.result()
    assert image[:12, :10].sum() == 0 < image[18:, :10].sum()
    probabilities = network.predict(image.reshape(1, 784), verbose=0)[0]
    second, first = np.argsort(probabilities)[-2:]
    assert title == (
        f"It reads: {first} ({probabilities[first]:.1%} sure)\n"
        f"Blue ink speaks for {first}, red ink for {second}"
    )
    votes = test_model.votes(network, image.ravel(), first, second)
    assert np.allclose(mouse.seen.images[0].get_array().ravel(), votes, atol=1e-4)
    assert np.allclose([bar.get_height() for bar in mouse.bars.patches], probabilities)
    mouse.click(3)
    title, image = mouse.result()
    assert title.strip() == "It reads: blank page" and not image.any()


def test_nothing_breaks_the_window(network, folder):
    mouse = Mouse(network)
    mouse.click(3)
    mouse.click(1)
    mouse.click(1, (1.5, 0.5))
    mouse.draw((0.4, 0.5), (2.0, 2.0), (0.5, -3.0), (0.4, 0.6))
    mouse.fig.set_size_inches(6, 5)
    mouse.click(3)
    mouse.draw((0.5, 0.2), (0.5, 0.8))
    assert mouse.result()[0].startswith("It reads: 1 (")


def test_no_key_changes_what_is_drawn(network, folder):
    mouse, images = Mouse(network), []
    for keys in "", "l", "k", "pogcvrfh":
        mouse.click(3)
        for key in keys:
            mouse.press(key)
        mouse.draw((0.2, 0.8), (0.7, 0.8), (0.4, 0.2))
        images.append(mouse.result()[1])
    assert images[0].any() and all(np.array_equal(images[0], i) for i in images[1:])


@pytest.mark.parametrize("scale", [1, 1.25, 1.75, 2.25, 3])
def test_the_scale_of_the_screen_and_a_dark_style_do_not_matter(network, folder, scale):
    with plt.style.context("dark_background"):
        mouse = Mouse(network)
        mouse.fig.set_dpi(100 * scale)
        mouse.click(3)
        assert mouse.result()[0].strip() == "It reads: blank page"
        mouse.draw((0.5, 0.2), (0.5, 0.8))
        assert mouse.result()[0].startswith("It reads: 1 (")


def test_without_a_window_it_says_so(network, folder):
    network.save("mnist.keras")
    said = run(test_model, "--draw")
    assert "window" in said and "\n" not in said
