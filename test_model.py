"""Test the network that model.py saved, or let it read your own digits.

python test_model.py                      tests it on images that it has never seen
python test_model.py three.png seven.jpg  reads the digit in each picture
python test_model.py --draw               reads what you draw with the mouse
"""

import argparse
import gc
import sys

import keras
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.widgets import LassoSelector
from PIL import Image, ImageChops, ImageDraw, ImageOps
from scipy import ndimage
from sklearn import metrics

from model import MODEL_PATH, fetch_data

# For the network's answer, and for its rival: the right digit, or else the runner-up.
ORANGE, BLUE = (1.0, 0.7, 0.2), (0.1, 0.5, 1.0)

# 784 images, each with one pixel set, grown to a spot of 3 x 3: one per row of SPOTS.
SPOTS = ndimage.maximum_filter(np.eye(784).reshape(784, 28, 28), size=(1, 3, 3)) == 1
SPOTS = SPOTS.reshape(784, 784)


def measure(model, averages, X_test, y_test):
    """Print how well `model` reads X_test, (n, 784), and save three figures."""
    probabilities = model.predict(X_test, batch_size=1000, verbose=0)
    # Each image's most probable digit, and how probable the network finds it.
    y_pred, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    # If it never says 8, for example, the precision of the 8 is 0 / 0, counted as 0.
    scores = metrics.precision_recall_fscore_support(y_test, y_pred, zero_division=0)
    precision, recall, f1, _ = scores  # one of each per digit
    print(metrics.classification_report(y_test, y_pred, digits=4, zero_division=0))
    print(f"Mean precision over the digits: {precision.mean():.4f}")
    print(f"Mean F1 score over the digits: {f1.mean():.4f}")
    right = y_pred == y_test  # True or False for each image
    print(f"Accuracy: {right.mean():.2%} of {len(right):,} test images")
    sure = confidence >= 0.99
    print(f"At least 99% sure: {sum(right & sure):,} of {sum(sure):,} are right")
    print(f"Less than 99% sure: {sum(right & ~sure):,} of {sum(~sure):,} are right")
    plot_scores(precision, recall, f1)
    plot_confusion_matrix(metrics.confusion_matrix(y_test, y_pred))
    print("Saved precision_f1.png and confusion_matrix.png")
    plot_mistakes(model, averages, X_test, y_test, y_pred, confidence)


def average_digits(X_train, y_train):
    """Return the mean of each digit's images in X_train: float32 of shape (10, 784)."""
    return np.stack([X_train[y_train == d].mean(axis=0) for d in np.unique(y_train)])


def lead_lost(model, pixels, answer, rival, ink):
    """Return how far a spot set to `ink` lowers the lead, ln(p[answer] / p[rival]).

    That's 784 numbers, for the 3 x 3 pixels around each pixel. `ink` is 1, or 0, which
    is called "occlusion" (Zeiler and Fergus 2014).
    """
    images = np.vstack([pixels, np.where(SPOTS, ink, pixels)])  # the first is unchanged
    p = model.predict_on_batch(images) + 1e-37  # as 0 has no logarithm
    lead = np.log(p[:, answer] / p[:, rival])
    return lead[0] - lead[1:]


def missing_ink(model, pixels, answer, rival, average):
    """Return how far ink at each pixel would help the rival: 784 numbers from 0 to 1.

    It helps where there's none yet, where a spot of it would cost some of the lead, and
    where the rival's images have some: `average` is their mean, of shape (784,).
    """
    lost = lead_lost(model, pixels, answer, rival, ink=1)
    helps = (1 - pixels) * average * np.maximum(0, lost)
    return helps / max(1e-9, helps.max())  # never / 0


def explain(model, pixels, answer, rival, average):
    """Return the digit in colours that say why it's read as `answer`: RGB, (28, 28, 3).

    Ink is orange where the answer's lead needs it, blue where it helps the rival, and
    white where it hardly matters. The black glows blue where ink would help the rival.
    """
    lost = lead_lost(model, pixels, answer, rival, ink=0)
    most = max(1e-9, np.abs(lost * pixels).max())
    palette = sns.blend_palette([BLUE, "white", ORANGE], as_cmap=True)
    hues = palette(plt.Normalize(-most, most)(lost.reshape(28, 28)))[:, :, :3]
    glow = missing_ink(model, pixels, answer, rival, average)
    return np.maximum(pixels.reshape(28, 28, 1) * hues, glow.reshape(28, 28, 1) * BLUE)


def read(model, pixels):
    """Return the two most probable digits, ten probabilities and text for the first."""
    p = model.predict_on_batch(pixels[np.newaxis])[0]
    answer, rival = np.argsort(-p)[:2]
    return answer, rival, p, f"{answer} ({min(p[answer], 0.999):.1%} sure)"


def show_reasons(ax, model, pixels, answer, rival, average):
    """Draw `explain`'s image with a ring and return what's read with ink in it."""
    ax.imshow(explain(model, pixels, answer, rival, average))
    glow = missing_ink(model, pixels, answer, rival, average)
    if not glow.any():
        return ""
    row, column = divmod(glow.argmax(), 28)
    ax.add_patch(plt.Circle((column, row), 3.5, fill=False, color="white", lw=2))
    new, _, p, _ = read(model, np.where(SPOTS[glow.argmax()], 1, pixels))
    return f"{'still ' if new == answer else ''}{new}, {min(p[new], 0.99):.0%}"


# On a first reading, you can skip what's between here and main.


def plot_scores(precision, recall, f1):
    """Draw each digit's three scores, from 0 to 1, and save precision_f1.png."""
    fig, ax = plt.subplots(figsize=(7, 5), layout="constrained")
    ax.plot(precision, "o", color="purple", label="Precision", clip_on=False)
    ax.plot(recall, "s", color="yellowgreen", label="Recall", clip_on=False)
    ax.plot(f1, "_", color="black", label="F1 score", clip_on=False)
    ax.set(xlabel="Digit", ylabel="Score (axis doesn't start at 0)", ylim=(None, 1))
    ax.set(xticks=range(len(f1)), title=f"Lowest F1: digit {f1.argmin()}")
    ax.legend()
    fig.savefig("precision_f1.png", dpi=120)


def plot_confusion_matrix(matrix):
    """Draw a (10, 10) matrix, true digits in rows, and save confusion_matrix.png."""
    fig, ax = plt.subplots(figsize=(7, 7), layout="constrained")
    right = np.eye(len(matrix), dtype=bool)
    # Right answers are grey: in colour, they would drown out the few mistakes.
    sns.heatmap(matrix, mask=~right, cmap=["silver"], annot=True, fmt="d", cbar=False)
    sns.heatmap(matrix, mask=right, cmap="PuRd", annot=True, fmt="d", cbar=False)
    ax.set(xlabel="Predicted digit", ylabel="True digit")
    ax.set_title(f"{matrix[~right].sum():,} mistakes in {matrix.sum():,} images")
    fig.savefig("confusion_matrix.png", dpi=120)


def plot_mistakes(model, averages, X, y, y_pred, confidence):
    """Draw the 15 most confident mistakes and save them as mistakes.png."""
    wrong = sorted(np.flatnonzero(y_pred != y), key=lambda i: -confidence[i])
    digits = [(X[i], y_pred[i], y[i], f"{y[i]} read as {y_pred[i]}") for i in wrong]
    heading = f"The most confident of {len(wrong):,} mistakes"
    plot_digits(model, averages, digits[:15], heading, "mistakes.png")


def plot_digits(model, averages, digits, heading, file_name):
    """Draw `digits`, tuples of (pixels, answer, rival, title), and save the figure."""
    rows, columns = int(np.ceil(len(digits) / 5)), min(5, len(digits))
    plt.figure(figsize=(6.5, 0.5 + 2 * rows), layout="constrained").suptitle(heading)
    for number, (pixels, answer, rival, title) in enumerate(digits, start=1):
        ax = plt.subplot(rows, columns, number, xticks=[], yticks=[])
        new = show_reasons(ax, model, pixels, answer, rival, averages[rival])
        ax.set_title(f"{title}\nink in the ring:\n{new}" if new else title)
    plt.savefig(file_name, dpi=120)
    print(f"Saved {file_name}")


def find_ink(picture):
    """Return a Pillow image's ink, what differs from the paper: uint8, 0 for paper."""
    # The longer side becomes 500 pixels.
    size = [max(1, 500 * side // max(picture.size)) for side in picture.size]
    # Put grey behind a transparent picture: black and white ink both show on grey.
    page = Image.new("RGBA", size, "grey")
    page.alpha_composite(picture.convert("RGBA").resize(size))
    # The paper's colour at a point is the median of what's within half a page of it,
    # mostly paper in the same light. (The 1 keeps the colours apart.)
    paper = ndimage.median_filter(page.resize((20, 20)), size=(21, 21, 1))
    paper = Image.fromarray(paper).resize(size)
    ink = np.asarray(ImageChops.difference(page, paper)).max(axis=2)
    # Less than 25 of 255 is noise, and less than a third of the strongest is a smudge.
    return np.where(ink < max(25, ink.max() / 3), 0, ink)


def keep_digit(ink):
    """Return only the ink of the digit, taken to be the part with the most ink.

    Each part is grown by 12 pixels first, so that those close together become one. What
    then touches the edge, such as a thumb, counts only a hundredth as much.
    """
    parts, n = ndimage.label(ndimage.maximum_filter(ink, size=25))  # numbered from 1
    amounts = ndimage.sum_labels(ink, parts, range(n + 1))
    amounts[np.unique([*parts[0], *parts[-1], *parts[:, 0], *parts[:, -1]])] /= 100
    return np.where(parts == amounts.argmax(), ink, 0)


def prepare(picture):
    """Return the digit in a Pillow image as MNIST has it: 784 float32 from 0 to 1.

    Its makers fitted each digit into 20 x 20 pixels and put its centre of mass in the
    middle of 28 x 28 (LeCun et al. 1998). Without a digit on the page, all 784 are 0.
    """
    ink = keep_digit(find_ink(picture))
    left, top, right, bottom = Image.fromarray(ink).getbbox() or (0, 0, 0, 0)
    longer = max(right - left, bottom - top)
    if longer < 6:  # nothing, or a speck of dust
        return np.zeros(784, dtype="float32")
    scale = longer / 19  # shrinking blurs the edges, so 19 become 20
    # Pixel i's middle is at i + 0.5. The centre goes to that of pixel 14, as in MNIST.
    top, left = np.array(ndimage.center_of_mass(ink)) + 0.5 - 14.5 * scale
    square = Image.fromarray(ink).crop((left, top, left + 28 * scale, top + 28 * scale))
    pixels = np.asarray(square.resize((28, 28)), dtype="float32").ravel()
    return pixels / pixels.max()


def read_pictures(model, averages, file_names):
    """Print the digit that `model` reads in each picture and save own_digits.png."""
    digits = []
    for name in file_names:
        try:
            picture = ImageOps.exif_transpose(Image.open(name))  # upright
        except Exception as error:  # noqa: BLE001 (damaged pictures raise nine types)
            print(f"{name}: {error}", file=sys.stderr)
            continue
        pixels = prepare(picture)
        answer, rival, _, text = read(model, pixels)
        print(f"{name}: {text if pixels.any() else 'blank page'}", flush=True)
        if pixels.any():
            digits.append((pixels, answer, rival, text))
    if not digits:
        sys.exit("There was no digit to read.")
    plot_digits(model, averages, digits, "What the network saw", "own_digits.png")


def drawing_window(model, averages):
    """Return a figure in which you draw with the mouse and see what `model` reads."""
    page = Image.new("RGB", (500, 500), "white")
    pen = ImageDraw.Draw(page)
    fig, axs = plt.subplot_mosaic("DDDDD.SSS;DDDDD.BBB", figsize=(7, 5))
    drawn, seen, bars = axs.values()
    drawn.set(xlabel="Draw here (right-click: new page)", xticks=[], yticks=[])
    drawn.imshow(page)

    def show():
        drawn.images[0].set_data(page)
        fig.suptitle(show_reading(seen, bars, model, averages, prepare(page)))
        fig.canvas.draw_idle()

    def stroke(points):
        pen.line(points, "black", width=40)
        for point in points:  # rounds the ends and the corners
            pen.circle(point, 20, "black")
        show()

    def new_page(event):
        if event.button == 3:  # the right one
            page.paste("white", (0, 0, 500, 500))
            show()

    fig.canvas.mpl_connect("button_press_event", new_page)
    # This follows the mouse, but only as long as the figure keeps it.
    fig.lasso = LassoSelector(drawn, stroke, props={"color": "k", "lw": 16}, button=1)
    show()
    return fig


def show_reading(seen, bars, model, averages, pixels):
    """Show in two parts of the window what `model` reads, and return it in words."""
    seen.clear()
    seen.set(xlabel="What it sees", xticks=[], yticks=[], facecolor="k", box_aspect=1)
    bars.clear()
    bars.set(xlabel="How sure it is", xticks=range(len(averages)), ylim=(0, 1))
    if not pixels.any():
        return "Blank page"
    answer, rival, p, text = read(model, pixels)
    colours = [{answer: ORANGE, rival: BLUE}.get(d, "grey") for d in range(len(p))]
    bars.bar(range(len(p)), p, color=colours)
    if show_reasons(seen, model, pixels, answer, rival, averages[rival]):
        a = "an" if rival == 8 else "a"
        text += f"\nInk in the ring would make it more like {a} {rival}."
    return f"It reads: {text}"


def main():
    parser = argparse.ArgumentParser(description="Test the network of model.py.")
    parser.add_argument("--draw", action="store_true", help="draw with the mouse")
    parser.add_argument("pictures", nargs="*", help="pictures of one digit each")
    args = parser.parse_args()
    try:
        model = keras.models.load_model(MODEL_PATH)
    except (OSError, TypeError, ValueError) as error:
        sys.exit(f"{MODEL_PATH} can't be loaded: {error} Run `python model.py`.")
    X_train, X_test, y_train, y_test = fetch_data()
    averages = average_digits(X_train, y_train)
    del X_train  # to free 176 MB
    if args.draw:
        if not drawing_window(model, averages).canvas.required_interactive_framework:
            sys.exit("No window: use a terminal, or `%matplotlib qt` in a notebook.")
    elif args.pictures:
        read_pictures(model, averages, args.pictures)
    else:
        measure(model, averages, X_test, y_test)
    plt.show(block=True)
    gc.freeze()  # Python ends a second sooner if it needn't tidy up after TensorFlow


if __name__ == "__main__":
    main()
