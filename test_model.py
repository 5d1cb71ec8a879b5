"""Test the network that model.py saved, or let it read your own digits.

python test_model.py                      tests it on images that it has never seen
python test_model.py three.png seven.jpg  reads the digit in each picture
python test_model.py --draw               reads what you draw with the mouse
"""

import argparse
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # keeps TensorFlow's log short

import keras
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.widgets import LassoSelector
from PIL import Image, ImageChops, ImageOps
from scipy import ndimage
from sklearn import metrics

from model import MODEL_PATH, fetch_data


def measure(model):
    """Print how well `model` reads the test images, and save three figures.

    Exits if it was trained on another split, because it may have learned from them.
    """
    X_train, X_test, _, y_test = fetch_data()
    if model.name != f"trained_on_{len(X_train)}":
        sys.exit(f"{MODEL_PATH} may know the test images: run `python model.py`.")
    probabilities = model.predict(X_test, verbose=0)
    y_pred = probabilities.argmax(axis=1)
    # One score per digit. If the network never says 8, say, the precision of the 8 is
    # 0 / 0, and counts as 0.
    precision = metrics.precision_score(y_test, y_pred, average=None, zero_division=0)
    f1 = metrics.f1_score(y_test, y_pred, average=None)

    print(metrics.classification_report(y_test, y_pred, digits=4, zero_division=0))
    print(f"Mean precision over the digits: {precision.mean():.4f}")
    print(f"Mean F1 score over the digits: {f1.mean():.4f}")
    print(f"Accuracy: {np.mean(y_pred == y_test):.2%} of {len(y_test):,} test images")
    plot_scores(precision, f1)
    plot_confusion_matrix(metrics.confusion_matrix(y_test, y_pred))
    print("Saved precision_f1.png and confusion_matrix.png")
    plot_mistakes(X_test, y_test, probabilities)


def plot_scores(precision, f1):
    """Draw each digit's precision and F1 score, from 0 to 1, as precision_f1.png."""
    # On a scale from 0, all good scores would look alike.
    bottom = max(0, np.floor(20 * min(*precision, *f1) - 0.2) / 20)
    fig, ax = plt.subplots(figsize=(9, 5), layout="constrained")
    ax.bar(np.arange(10) - 0.2, precision, 0.4, color="#1f5a99", label="Precision")
    ax.bar(np.arange(10) + 0.2, f1, 0.4, color="#7fc97f", label="F1 score")
    for bars in ax.containers:  # with room for the labels up to 1.15, if bottom is 0
        ax.bar_label(bars, fmt="%.3f", rotation=90, padding=3, fontsize=9)
    ax.set(xlabel="Digit", xticks=range(10), ylim=(bottom, 1.15 - 0.15 * bottom))
    ax.set(ylabel=f"Score (from {bottom:.2f})", title=f"Lowest F1: digit {f1.argmin()}")
    fig.legend(loc="outside lower center", ncols=2)
    fig.savefig("precision_f1.png", dpi=120)


def plot_confusion_matrix(matrix):
    """Draw true digits (rows) against predicted ones as confusion_matrix.png."""
    right = np.eye(10, dtype=bool)
    fig, ax = plt.subplots(figsize=(8, 7), layout="constrained")
    # Two heatmaps, because on the scale of a thousand right answers, ten mistakes would
    # have hardly any colour.
    sns.heatmap(matrix, mask=right, cmap="Oranges", vmin=0, annot=True, fmt="d")
    sns.heatmap(matrix, mask=~right, cmap=["0.9"], cbar=False, annot=True, fmt="d")
    ax.tick_params(axis="y", rotation=0)
    ax.set(xlabel="Predicted digit", ylabel="True digit")
    ax.set_title(f"{matrix[~right].sum():,} mistakes in {matrix.sum():,} images")
    fig.savefig("confusion_matrix.png", dpi=120)


def plot_mistakes(X, y_true, probabilities):
    """Draw the 18 mistakes that the network was surest of as mistakes.png.

    `probabilities` is what it returned for `X`: ten for each image.
    """
    y_pred, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(y_pred != y_true)
    surest = wrong[np.argsort(-sure[wrong])][:18]
    titles = [f"{y_true[i]} read as {y_pred[i]}\n{sure[i]:.2%} sure" for i in surest]
    heading = f"{len(wrong):,} mistakes, the surest first"
    plot_digits(X[surest], titles, heading, "mistakes.png")


def plot_digits(X, titles, heading, file_name):
    """Draw each row of X, 784 pixels from 0 (black) to 1 (white), under its title."""
    columns = min(6, max(2, len(X)))
    rows = int(np.ceil(len(X) / columns))
    fig = plt.figure(figsize=(1.7 * columns, 0.7 + 1.8 * rows), layout="constrained")
    for i, (pixels, title) in enumerate(zip(X, titles), start=1):
        ax = fig.add_subplot(rows, columns, i, title=title, xticks=[], yticks=[])
        ax.imshow(pixels.reshape(28, 28), cmap="gray", vmin=0, vmax=1)
    fig.suptitle(heading)
    fig.savefig(file_name, dpi=120)
    print(f"Saved {file_name}")


def prepare(picture):
    """Return the digit in a Pillow image as MNIST's makers would have prepared it.

    That's 784 float32 from 0 (paper) to 1 (ink), or all 0 if the picture looks blank.
    They fitted each digit into 20 x 20 pixels and put its centre of mass in the middle
    of 28 x 28: LeCun et al., "Gradient-based learning applied to document recognition".
    """
    # 1. Make the picture 500 pixels wide or high. Where it is transparent, put grey behind
    # it, because black and white ink both show on grey.
    picture = ImageOps.contain(picture.convert("RGBA"), (500, 500))
    page = Image.alpha_composite(Image.new("RGBA", picture.size, "grey"), picture)

    # 2. Find the colour of the paper. It is the median of what surrounds a spot, because
    # most of that is paper in the same light. On a page shrunk to 20 x 20 pixels, 25 x 25
    # reach half a page in each direction. The 1 keeps the colours apart.
    paper = ndimage.median_filter(np.asarray(page.resize((20, 20))), size=(25, 25, 1))
    paper = Image.fromarray(paper).resize(page.size)

    # 3. Ink is whatever differs from the paper, but by more than noise and smudges do.
    ink = np.max(ImageChops.difference(page, paper), axis=2)
    ink[ink < max(25, 0.35 * ink.max())] = 0

    # 4. Keep only the digit: the part with the most ink. Parts with up to 24 pixels
    # between them count as one. The ink of a part that touches the edge, such as a shadow
    # or a thumb, counts for a tenth.
    parts, _ = ndimage.label(ndimage.maximum_filter(ink, size=25))
    amounts = np.bincount(parts.ravel(), ink.ravel())  # of ink in each part
    amounts[np.r_[parts[0], parts[-1], parts[:, 0], parts[:, -1]]] /= 10
    ink[parts != amounts.argmax()] = 0
    rows, columns = np.nonzero(ink)
    if len(rows) < 50:  # no more than a speck
        return np.zeros(784, dtype="float32")

    # 5. Cut out a square around the centre of mass, and shrink it to 28 x 28 pixels. The
    # digit takes 19 of them, and the blur makes that 20. MNIST has the centre on pixel
    # 14, counted from 0: there are 14.5 pixels before it and 13.5 after it.
    pixel = (max(np.ptp(rows), np.ptp(columns)) + 1) / 19
    y, x = ndimage.center_of_mass(ink)
    square = x - 14.5 * pixel, y - 14.5 * pixel, x + 13.5 * pixel, y + 13.5 * pixel
    digit = Image.fromarray(ink).crop(square).resize((28, 28))
    return np.float32(digit).ravel() / np.max(digit)


def read(model, picture):
    """Return the 784 pixels of `prepare`, ten probabilities, and the answer in words.

    If the picture is blank, all of them are 0.
    """
    pixels = prepare(picture)
    p = model.predict(pixels[np.newaxis], verbose=0)[0] * pixels.any()
    answer = f"{p.argmax()} ({p.max():.1%} sure)" if pixels.any() else "blank page"
    return pixels, p, answer


def read_pictures(model, file_names):
    """Print the digit that `model` reads in each picture; return whether all had one.

    What the network saw is saved as own_digits.png.
    """
    X, answers = [], []
    for name in file_names:
        try:
            picture = ImageOps.exif_transpose(Image.open(name))  # upright
        except Exception as error:  # noqa: BLE001 (Pillow raises many kinds)
            print(f"{name}: {error}", file=sys.stderr)
            continue
        pixels, _, answer = read(model, picture)
        print(f"{name}: {answer}", flush=True)
        X.append(pixels)
        answers.append(answer)
    if X:
        plot_digits(X, answers, "What the network saw", "own_digits.png")
    return len(X) == len(file_names) and np.any(X, axis=1).all()


def drawing_window(model):
    """Return a figure to draw a digit in with the mouse, and see what `model` reads."""
    fig, (page, seen, bars) = plt.subplots(1, 3, figsize=(12, 4))
    page.set(xlim=(0, 1), ylim=(0, 1), title="Draw here (right-click: new page)")
    seen.set_title("What the network sees")
    image = seen.imshow(np.zeros((28, 28)), cmap="gray", vmin=0, vmax=1)
    plt.setp((page, seen), xticks=[], yticks=[], aspect="equal")
    pen = {"color": "black", "linewidth": 18, "solid_capstyle": "round"}

    def update():
        fig.canvas.draw()
        drawn = np.asarray(fig.canvas.copy_from_bbox(page.bbox.padded(-2)))
        pixels, probabilities, answer = read(model, Image.fromarray(drawn))
        image.set_data(pixels.reshape(28, 28))
        bars.clear()
        bars.bar(range(10), probabilities)
        bars.set(title="How sure it is", xlabel="Digit", xticks=range(10), ylim=(0, 1))
        fig.suptitle(f"It reads a {answer}".replace("a 8", "an 8"), size=16)
        fig.canvas.draw_idle()

    def stroke(points):
        page.plot(*np.transpose(points), **pen)
        update()

    def new_page(event):
        if event.button == 3:
            plt.setp(page.lines, data=([], []))
            update()

    fig.canvas.mpl_connect("button_press_event", new_page)
    fig.lasso = LassoSelector(page, stroke, props=pen, button=1)  # follows the mouse
    update()
    return fig


def main():
    parser = argparse.ArgumentParser(description="Test the network of model.py.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--draw", action="store_true", help="draw a digit with the mouse")
    what.add_argument("pictures", nargs="*", default=[], help="each holds one digit")
    args = parser.parse_args()
    try:
        model = keras.models.load_model(MODEL_PATH)
    except (OSError, ValueError):
        sys.exit(f"{MODEL_PATH} is missing or damaged: run `python model.py`.")

    all_read = True
    if args.draw:
        if not drawing_window(model).canvas.required_interactive_framework:
            sys.exit("There is no window to draw in: matplotlib can't open one here.")
    elif args.pictures:
        all_read = read_pictures(model, args.pictures)
    else:
        measure(model)
    plt.show()
    sys.exit(not all_read)


if __name__ == "__main__":
    main()
