"""Test the network that model.py saved, or let it read your own digits.

python test_model.py                      tests it on images that it has never seen
python test_model.py three.png seven.jpg  reads the digit in each picture
python test_model.py --draw               reads what you draw with the mouse
"""

import argparse
import sys
import zlib

import keras
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import tensorflow as tf
from matplotlib.widgets import LassoSelector
from PIL import Image, ImageChops, ImageDraw, ImageOps
from scipy import ndimage
from sklearn import metrics

from model import MODEL_PATH, fetch_data

COLOURS = sns.blend_palette(["#ff2010", "white", "#1080ff"], as_cmap=True)


def measure(model):
    """Print how well `model` reads the test images, and save three figures.

    Exits if it was trained on another split, because it may have seen these images.
    """
    _, X_test, y_train, y_test = fetch_data()
    if model.name != f"trained_on_{zlib.crc32(y_train)}":
        sys.exit(f"{MODEL_PATH} may have seen the test images: run `python model.py`.")
    probabilities = model.predict(X_test, verbose=0)
    y_pred = probabilities.argmax(axis=1)
    # One score per digit. If the network never says 8, for example, the precision of
    # the 8 is 0 / 0, which counts as 0.
    precision = metrics.precision_score(y_test, y_pred, average=None, zero_division=0)
    f1 = metrics.f1_score(y_test, y_pred, average=None, zero_division=0)

    print(metrics.classification_report(y_test, y_pred, digits=4, zero_division=0))
    print(f"Mean precision over the digits: {precision.mean():.4f}")
    print(f"Mean F1 score over the digits: {f1.mean():.4f}")
    right, sure = y_pred == y_test, probabilities.max(axis=1) >= 0.99
    print(f"Accuracy: {right.mean():.2%} of {len(right):,} test images")
    print(f"At least 99% sure: {right[sure].sum():,} of {sure.sum():,} are right")
    print(f"Less than 99% sure: {right[~sure].sum():,} of {(~sure).sum():,} are right")
    plot_scores(precision, f1)
    plot_confusion_matrix(metrics.confusion_matrix(y_test, y_pred))
    plot_mistakes(model, X_test, y_test, probabilities)
    print("Saved precision_f1.png, confusion_matrix.png and mistakes.png")


def plot_scores(precision, f1):
    """Draw each digit's precision and F1 score, and save them as precision_f1.png."""
    fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
    ax.vlines(range(10), precision, f1, color="0.6")
    ax.plot(precision, "o", color="#1f5a99", label="Precision")
    ax.plot(f1, "D", color="#4daf4a", label="F1 score")
    ax.set(xlabel="Digit", xticks=range(10), title=f"Lowest F1: digit {f1.argmin()}")
    ax.grid(axis="y", alpha=0.4)
    ax.legend()
    fig.savefig("precision_f1.png", dpi=120)


def plot_confusion_matrix(matrix):
    """Draw true digits (rows) against predicted ones as confusion_matrix.png."""
    right = np.eye(10, dtype=bool)
    orange = sns.light_palette("darkorange", as_cmap=True)
    fig, ax = plt.subplots(figsize=(7, 7), layout="constrained")
    look = {"annot": True, "fmt": "d", "annot_kws": {"color": "black"}, "cbar": False}
    # Two heatmaps, because ten mistakes would hardly show on a scale up to a thousand.
    sns.heatmap(matrix, mask=right, cmap=orange, vmin=0, ax=ax, **look)
    sns.heatmap(matrix, mask=~right, cmap=["0.85"], ax=ax, **look)
    ax.tick_params(axis="y", rotation=0)
    ax.set(xlabel="Predicted digit", ylabel="True digit")
    ax.set_title(f"{matrix[~right].sum():,} mistakes in {matrix.sum():,} images")
    fig.savefig("confusion_matrix.png", dpi=120)


def plot_mistakes(model, X, y_true, probabilities):
    """Draw the 18 surest mistakes in `probabilities`, and save them as mistakes.png."""
    y_pred, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(y_pred != y_true)
    digits = []
    for i in wrong[np.argsort(-confidence[wrong])][:18]:
        title = f"{y_true[i]} read as {y_pred[i]}\n{confidence[i]:.2%} sure"
        digits.append((X[i], y_pred[i], y_true[i], title.replace("100.00%", ">99.99%")))
    heading = f"{len(wrong):,} mistakes. Blue speaks for the answer, red for the truth."
    plot_digits(model, digits, heading, "mistakes.png")


def plot_digits(model, digits, heading, file_name):
    """Draw `digits`, tuples of (pixels, answer, rival, title), and save the figure."""
    columns = min(6, max(3, len(digits)))  # with 3, there's room for the heading
    rows = 1 + (len(digits) - 1) // columns
    fig = plt.figure(figsize=(1.8 * columns, 1 + 2 * rows), layout="constrained")
    for i, digit in enumerate(digits, start=1):
        draw_digit(fig.add_subplot(rows, columns, i), model, *digit)
    fig.suptitle(heading)
    fig.savefig(file_name, dpi=120)


def draw_digit(ax, model, pixels, answer, rival, title):
    """Draw 784 pixels on `ax`: what speaks for `answer` in blue, for `rival` in red."""
    reasons = votes(model, pixels, answer, rival).reshape(28, 28)
    limit = np.abs(reasons).max()
    ax.imshow(reasons, COLOURS, vmin=-limit, vmax=limit, alpha=pixels.reshape(28, 28))
    ax.set(xticks=[], yticks=[], facecolor="black", title=title)


def votes(model, pixels, answer, rival):
    """Return how much each pixel speaks for `answer` and against `rival`: 784 float32.

    That's the pixels times the gradient, with respect to them, of ln(p[answer]) minus
    ln(p[rival]). p are the ten probabilities that `model` returns for these pixels.
    """
    X = tf.Variable(pixels[np.newaxis])
    with tf.GradientTape() as tape:  # records what follows, for backpropagation
        ln_p = tf.math.log(model(X)[0] + 1e-37)  # the logarithm of 0 would be infinite
        lead = ln_p[answer] - ln_p[rival]
    return pixels * tape.gradient(lead, X)[0].numpy()


# Your own digits.


def find_ink(picture):
    """Return how far each pixel of a Pillow image differs from the paper: its ink.

    An array of uint8, 0 where there's only paper, 500 pixels on its longer side.
    """
    size = [max(1, round(500 * side / max(picture.size))) for side in picture.size]
    picture = picture.convert("RGBA").resize(size)
    # Put grey behind a transparent picture: black and white ink both show on grey.
    page = Image.alpha_composite(Image.new("RGBA", size, "grey"), picture)
    # The paper's colour at a spot is the median of what surrounds it, which is mostly
    # paper in the same light. On a page shrunk to 20 x 20 pixels, a window of 21 x 21
    # reaches half a page each way. The last 1 keeps the colours apart.
    small = np.asarray(page.resize((20, 20)))
    paper = Image.fromarray(ndimage.median_filter(small, size=(21, 21, 1)))
    ink = np.asarray(ImageChops.difference(page, paper.resize(size))).max(axis=2)
    # Less than 25 of 255 is noise, and less than a third of the strongest is a smudge.
    return np.where(ink < max(25, ink.max() / 3), 0, ink)


def keep_digit(ink):
    """Return the ink of the digit alone, which is the part with the most ink.

    Parts with up to 24 pixels between them count as one, so each is grown by 12 first.
    The ink of a part that then touches the edge, such as a thumb, counts for a tenth.
    """
    parts, n = ndimage.label(ndimage.maximum_filter(ink, size=25))
    amounts = ndimage.sum_labels(ink, parts, range(n + 1))
    at_edge = np.unique([*parts[0], *parts[-1], *parts[:, 0], *parts[:, -1]])
    amounts[at_edge] /= 10
    return np.where(parts == amounts.argmax(), ink, 0)


def like_mnist(ink):
    """Return a digit's ink as MNIST's makers prepared theirs: 784 float32 from 0 to 1.

    They fitted each digit into 20 x 20 pixels and put its centre of mass in the middle
    of 28 x 28: LeCun et al., "Gradient-based learning applied to document recognition".
    """
    left, top, right, bottom = Image.fromarray(ink).getbbox()
    scale = max(right - left, bottom - top) / 19  # blurred edges make that 20
    y, x = ndimage.center_of_mass(ink)
    x, y = x - 14.5 * scale, y - 14.5 * scale  # MNIST's centre: mid-pixel 14
    square = Image.fromarray(ink).crop((x, y, x + 28 * scale, y + 28 * scale))
    pixels = np.asarray(square.resize((28, 28)), dtype="float32").ravel()
    return pixels / max(1, pixels.max())


def prepare(picture):
    """Return a Pillow image's digit as `like_mnist` does, 784 zeros if it's blank."""
    ink = keep_digit(find_ink(picture))
    left, top, right, bottom = Image.fromarray(ink).getbbox() or (0, 0, 0, 0)
    size, zoom = max(right - left, bottom - top), max(picture.size) / 500
    if size >= 100:
        return like_mnist(ink)
    # It takes less than a fifth of the page, so cut out the part around it, and look
    # again. Under 20 pixels in the original (blur adds 2 here) are a speck, or nothing.
    if zoom * (size - 2) < 20:
        return np.zeros(784, dtype="float32")
    box = np.multiply(zoom, [left - size, top - size, right + size, bottom + size])
    box = np.clip(box, 0, [*picture.size, *picture.size])
    return prepare(picture.crop(tuple(box)))


def read(model, picture):
    """Return the 784 pixels of `prepare`, ten probabilities, and the answer in words.

    For a blank page, all the numbers are 0, and the words are "blank page".
    """
    pixels = prepare(picture)
    if not pixels.any():
        return pixels, np.zeros(10), "blank page"
    probabilities = model(pixels[np.newaxis])[0].numpy()
    answer = f"{probabilities.argmax()} ({probabilities.max():.1%} sure)"
    return pixels, probabilities, answer


def read_pictures(model, file_names):
    """Print the digit that `model` reads in each picture; return whether all had one.

    What the network saw is saved as own_digits.png.
    """
    digits = []
    for name in file_names:
        try:
            picture = ImageOps.exif_transpose(Image.open(name))  # upright
        except Exception as error:  # noqa: BLE001 (Pillow raises many kinds)
            print(f"{name}: {error}", file=sys.stderr)
            continue
        pixels, probabilities, answer = read(model, picture)
        print(f"{name}: {answer}", flush=True)
        rival, best = np.argsort(probabilities)[-2:]
        title = f"{answer}\nor {rival}?" if pixels.any() else answer
        digits.append((pixels, best, rival, title))
    if digits:
        heading = "Blue speaks for the answer,\nred for the runner-up"
        plot_digits(model, digits, heading, "own_digits.png")
        print("Saved own_digits.png")
    return sum(digit[0].any() for digit in digits) == len(file_names)


def drawing_window(model):
    """Return a figure in which you draw with the mouse, and see what `model` reads."""
    page = Image.new("RGB", (500, 500), "white")
    fig, (drawn, seen, bars) = plt.subplots(1, 3, figsize=(12, 5), layout="constrained")
    image = drawn.imshow(page)
    drawn.set(title="Draw here (right-click: new page)", xticks=[], yticks=[])

    def update():
        image.set_data(page)
        pixels, probabilities, answer = read(model, page)
        rival, best = np.argsort(probabilities)[-2:]
        colours = f"Blue ink speaks for {best}, red ink for {rival}"
        fig.suptitle(f"It reads: {answer}\n{colours if pixels.any() else ''}", size=16)
        seen.clear()
        draw_digit(seen, model, pixels, best, rival, "What the network sees")
        bars.clear()
        bars.bar(range(10), probabilities)
        bars.set(title="How sure it is", xlabel="Digit", xticks=range(10), ylim=(0, 1))
        fig.canvas.draw_idle()

    def stroke(points):
        pen = ImageDraw.Draw(page)
        pen.line(points, "black", width=40)
        for point in points:  # rounds the ends and the corners
            pen.circle(point, 20, "black")
        update()

    def new_page(event):
        if event.button == 3:
            page.paste("white", (0, 0, 500, 500))
            update()

    fig.canvas.mpl_connect("button_press_event", new_page)
    # matplotlib's own keys would spoil the page: "l" makes its axis logarithmic.
    fig.canvas.mpl_disconnect(fig.canvas.manager.key_press_handler_id)
    # This follows the mouse. It's kept in the figure, or else it would stop at once.
    fig.lasso = LassoSelector(drawn, stroke, props={"color": "k", "lw": 16}, button=1)
    update()
    return fig


def main():
    parser = argparse.ArgumentParser(description="Test the network of model.py.")
    parser.add_argument("--draw", action="store_true", help="draw with the mouse")
    parser.add_argument("pictures", nargs="*", help="pictures of one digit each")
    args = parser.parse_args()
    try:
        model = keras.models.load_model(MODEL_PATH)
    except (OSError, TypeError, ValueError) as error:
        sys.exit(f"{MODEL_PATH} can't be loaded: {error} Run `python model.py`.")

    if args.draw and not drawing_window(model).canvas.required_interactive_framework:
        sys.exit("No window here: use a terminal, or `%matplotlib qt` in a notebook.")
    all_read = read_pictures(model, args.pictures)
    if not args.draw and not args.pictures:
        measure(model)
    plt.show(block=True)
    sys.exit(0 if all_read else 1)


if __name__ == "__main__":
    main()
