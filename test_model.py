"""Test the network that model.py saved, or let it read your own digits.

python test_model.py                      tests it on images that it has never seen
python test_model.py three.png seven.jpg  reads the digit in each picture
python test_model.py --draw               reads what you draw with the mouse
"""

import argparse
import gc
import sys
import zlib

import keras
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.widgets import LassoSelector
from PIL import Image, ImageChops, ImageDraw, ImageOps
from scipy import ndimage
from sklearn import metrics

from model import MODEL_PATH, fetch_data

ORANGE = (1.0, 0.7, 0.2)  # for the network's answer
BLUE = (0.1, 0.5, 1.0)  # for its rival: the right digit, or else the runner-up


def measure(model):
    """Print how well `model` reads the test images, and save three figures."""
    _, X_test, y_train, y_test = fetch_data()
    probabilities = model.predict(X_test, verbose=0)
    y_pred = probabilities.argmax(axis=1)  # the most probable digit of each image
    correct = y_pred == y_test
    sure = probabilities.max(axis=1) >= 0.99
    # If it never says 8, for example, the precision of the 8 is 0 / 0, counted as 0.
    scores = metrics.precision_recall_fscore_support(y_test, y_pred, zero_division=0)
    precision, recall, f1, _ = scores  # one of each per digit
    print(metrics.classification_report(y_test, y_pred, digits=4, zero_division=0))
    print(f"Mean precision over the digits: {precision.mean():.4f}")
    print(f"Mean F1 score over the digits: {f1.mean():.4f}")
    print(f"Accuracy: {correct.mean():.2%} of {len(correct):,} test images")
    if model.name != f"trained_on_{zlib.crc32(y_train)}":
        print("NOTE: nothing shows that it had exactly this split's training images.")
        print("It may have learnt from some of these, so the accuracy may be too good.")
    print(f"At least 99% sure: {correct[sure].sum():,} of {sure.sum():,} are right")
    print(f"Less than 99% sure: {correct[~sure].sum():,} of {sum(~sure):,} are right")
    plot_scores(precision, recall, f1)
    plot_confusion_matrix(metrics.confusion_matrix(y_test, y_pred))
    print("Saved precision_f1.png and confusion_matrix.png")
    plot_mistakes(model, X_test, y_test, probabilities)


def in_words(p, decimals=1):
    """Return a probability as a percentage, such as "97.3%", but never as 100%."""
    highest = 1 - 0.1 ** (2 + decimals)
    return f">{highest:.{decimals}%}" if p > highest else f"{p:.{decimals}%}"


# Why did the network answer that?


def lead_lost(model, pixels, answer, rival, ink):
    """Return what the answer's lead loses if a spot is set to `ink`: 784 numbers.

    Each is for a pixel and those around it, 3 x 3. `ink` is 0 ("occlusion", Zeiler
    and Fergus 2014) or 1 (a "counterfactual"). The lead is ln(p[answer] / p[rival]).
    """
    images = np.tile(pixels.reshape(28, 28), (785, 1, 1))
    for image, (y, x) in zip(images, np.ndindex(28, 28)):  # all but the last image
        image[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = ink
    p = model.predict_on_batch(images.reshape(785, 784)) + 1e-37  # as ln(0) is infinite
    lead = np.log(p[:, answer]) - np.log(p[:, rival])
    return lead[-1] - lead[:-1]


def explain(model, pixels, answer, rival):
    """Return the digit in colours that say why it's read as `answer`: RGB, (28, 28, 3).

    Ink is orange where the answer's lead needs it, blue where it helps the rival, and
    white where it does neither. The black glows blue where ink would help the rival.
    """
    lost = lead_lost(model, pixels, answer, rival, ink=0)
    lost /= np.abs(pixels * lost).max() or 1  # now from -1 to 1 for most ink
    colours = sns.blend_palette([BLUE, "white", ORANGE], as_cmap=True)(lost / 2 + 0.5)
    glow = (pixels.max() - pixels) * lead_lost(model, pixels, answer, rival, ink=1)
    # The power of 3 leaves the strongest spots, and the factors keep ink the brightest.
    glow = 0.8 * (1 - pixels) * np.maximum(0, glow / (glow.max() or 1)) ** 3
    return (np.c_[pixels] * colours[:, :3] + np.c_[glow] * BLUE).reshape(28, 28, 3)


# The figures. You can skip this part on a first reading.


def plot_scores(precision, recall, f1):
    """Draw three scores for each digit, and save them as precision_f1.png."""
    fig, ax = plt.subplots(figsize=(7, 5), layout="constrained")
    ax.vlines(range(10), precision, recall, color="0.7")
    ax.plot(precision, "o", color=BLUE, label="Precision")
    ax.plot(recall, "s", color=ORANGE, label="Recall")
    ax.plot(f1, "_", color="black", label="F1 score")
    bottom = min(0.95, *precision, *recall) - 0.01
    ax.set(xlabel="Digit", xticks=range(10), ylabel="Score", ylim=(bottom, 1.01))
    ax.set_title(f"Lowest F1: digit {f1.argmin()}")
    ax.legend(loc="lower left")
    fig.savefig("precision_f1.png", dpi=120)


def plot_confusion_matrix(matrix):
    """Draw true digits (rows) against predicted ones as confusion_matrix.png."""
    fig, ax = plt.subplots(figsize=(7, 7), layout="constrained")
    mistakes = np.where(np.eye(10, dtype=bool), 0, matrix)
    white_to_orange = sns.blend_palette(["white", "darkorange"], as_cmap=True)
    # Only mistakes are coloured: beside a thousand right answers, ten wouldn't show.
    look = {"annot": matrix, "annot_kws": {"color": "black"}, "fmt": "d", "cbar": False}
    sns.heatmap(mistakes, cmap=white_to_orange, linewidths=1, linecolor="0.9", **look)
    ax.tick_params(axis="y", rotation=0)
    ax.set(xlabel="Predicted digit", ylabel="True digit")
    ax.set_title(f"{mistakes.sum():,} mistakes in {matrix.sum():,} images")
    fig.savefig("confusion_matrix.png", dpi=120)


def plot_mistakes(model, X, y_true, probabilities):
    """Draw the 18 surest mistakes in `probabilities`, and save them as mistakes.png."""
    y_pred = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(y_pred != y_true)
    surest = wrong[np.argsort(-confidence[wrong])][:18]
    digits = []
    for i in surest:
        title = f"{y_true[i]} read as {y_pred[i]}\n{in_words(confidence[i], 2)} sure"
        digits.append((X[i], y_pred[i], y_true[i], title))
    heading = f"The {len(surest)} surest of {len(wrong):,} mistakes"
    plot_digits(model, digits, heading, "mistakes.png")


def plot_digits(model, digits, heading, file_name):
    """Draw `digits`, tuples of (pixels, answer, rival, title), and save the figure."""
    columns = min(5, max(3, len(digits)))  # with 3, there's room for the heading
    rows = 1 + (len(digits) - 1) // columns
    height = 0.7 + rows * (7.2 / columns + 0.5)
    fig = plt.figure(figsize=(7.2, height), layout="constrained")
    for i, (pixels, answer, rival, title) in enumerate(digits, start=1):
        ax = fig.add_subplot(rows, columns, i, xticks=[], yticks=[], title=title)
        ax.imshow(explain(model, pixels, answer, rival))
    key = "Orange: for the answer. Blue: for its rival. Glow: ink the rival lacks"
    fig.suptitle(f"{heading}\n{key}")
    fig.savefig(file_name, dpi=120)
    print(f"Saved {file_name}")


# Your own digits. You can skip this part on a first reading.


def find_ink(picture):
    """Return how far each pixel of a Pillow image differs from the paper: its ink.

    An array of uint8, 0 where there's only paper, 500 pixels on its longer side.
    """
    shape = [max(1, round(500 * side / max(picture.size))) for side in picture.size]
    picture = picture.convert("RGBA").resize(shape)
    # Put grey behind a transparent picture: black and white ink both show on grey.
    page = Image.alpha_composite(Image.new("RGBA", shape, "grey"), picture)
    # The paper's colour at a spot is the median of what surrounds it, mostly paper in
    # the same light. Of 20 x 20 pixels, a window of 21 x 21 reaches half a page each
    # way. The last 1 keeps the colours apart.
    paper = ndimage.median_filter(page.resize((20, 20)), size=(21, 21, 1))
    paper = Image.fromarray(paper).resize(shape)
    ink = np.asarray(ImageChops.difference(page, paper)).max(axis=2)
    # Less than 25 of 255 is noise, and less than a third of the strongest is a smudge.
    return np.where(ink < max(25, ink.max() / 3), 0, ink)


def keep_digit(ink):
    """Return the ink of the digit alone, which is the part with the most ink.

    Parts with up to 24 pixels between them count as one, so each is grown by 12 first.
    The ink of a part that then touches the edge, such as a thumb or a dark table around
    the page, counts for a hundredth.
    """
    parts, n = ndimage.label(ndimage.maximum_filter(ink, size=25))
    amounts = ndimage.sum_labels(ink, parts, range(n + 1))
    at_edge = np.unique([*parts[0], *parts[-1], *parts[:, 0], *parts[:, -1]])
    amounts[at_edge] /= 100
    return np.where(parts == amounts.argmax(), ink, 0)


def like_mnist(ink):
    """Return a digit's ink as MNIST's makers prepared theirs: 784 float32 from 0 to 1.

    They fitted each digit into 20 x 20 pixels and put its centre of mass in the middle
    of 28 x 28: LeCun et al., "Gradient-based learning applied to document recognition".
    """
    scale = (1 + np.ptp(np.nonzero(ink), axis=1).max()) / 19  # blur makes that 20
    # The centre goes to the middle of pixel 14, where MNIST's digits have theirs.
    y, x = np.array(ndimage.center_of_mass(ink)) - 14.5 * scale
    square = Image.fromarray(ink).crop((x, y, x + 28 * scale, y + 28 * scale))
    pixels = np.asarray(square.resize((28, 28)), dtype="float32").ravel()
    return pixels / max(1, pixels.max())


def prepare(picture):
    """Return a Pillow image's digit as `like_mnist` does, 784 zeros if it's blank."""
    ink = keep_digit(find_ink(picture))
    box = np.array(Image.fromarray(ink).getbbox() or (0, 0, 0, 0))
    longer = max(box[2:] - box[:2])  # of its width and height
    if longer >= 100:
        return like_mnist(ink)
    # It takes less than a fifth of the page, so cut out the part around it, and look
    # again. Anything under 20 pixels in the original (blur adds 2 here) is a speck.
    zoom = max(picture.size) / 500
    if zoom * (longer - 2) < 20:
        return np.zeros(784, dtype="float32")
    box = zoom * (box + [-longer, -longer, longer, longer])
    return prepare(picture.crop(tuple(np.clip(box, 0, picture.size * 2))))


def read(model, picture):
    """Return the 784 pixels of `prepare`, ten probabilities, and the answer in words.

    For a blank page, all the numbers are 0, and the words are "blank page".
    """
    pixels = prepare(picture)
    if not pixels.any():
        return pixels, np.zeros(10), "blank page"
    p = model.predict_on_batch(pixels[np.newaxis])[0]
    return pixels, p, f"{p.argmax()} ({in_words(p.max())} sure)"


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
        pixels, probabilities, text = read(model, picture)
        print(f"{name}: {text}", flush=True)
        rival, answer = np.argsort(probabilities)[-2:]  # the two most probable digits
        title = f"{text}\nrunner-up: {rival}" if pixels.any() else text
        digits.append((pixels, answer, rival, title))
    if digits:
        plot_digits(model, digits, "What the network saw", "own_digits.png")
    return sum(digit[0].any() for digit in digits) == len(file_names)


# The window to draw in. You can skip this part on a first reading.


def drawing_window(model):
    """Return a figure in which you draw with the mouse, and see what `model` reads."""
    page = Image.new("RGB", (500, 500), "white")
    pen = ImageDraw.Draw(page)
    fig, axs = plt.subplot_mosaic("AAABB;AAACC", figsize=(7, 5), layout="constrained")
    drawn, seen, bars = axs.values()
    drawn.set(title="Draw here (right-click: new page)", xticks=[], yticks=[])
    drawn.imshow(page)
    seen.set(title="What the network sees", xticks=[], yticks=[])
    seen.imshow(np.zeros((28, 28, 3)))
    bars.set(title="How sure it is", xticks=range(10), ylim=(0, 1))
    bars.bar(range(10), np.zeros(10))

    def stroke(points):
        pen.line(points, "black", width=40)
        for point in points:  # rounds the ends and the corners
            pen.circle(point, 20, "black")
        show_reading(fig, model, page)

    def new_page(event):
        if event.button == 3:
            page.paste("white", (0, 0, 500, 500))
            show_reading(fig, model, page)

    fig.canvas.mpl_connect("button_press_event", new_page)
    # matplotlib's own keys would spoil the page: "l" makes its axis logarithmic.
    fig.canvas.mpl_disconnect(fig.canvas.manager.key_press_handler_id)
    # This follows the mouse. It's kept in the figure, or else it would stop at once.
    fig.lasso = LassoSelector(drawn, stroke, props={"color": "k", "lw": 16}, button=1)
    show_reading(fig, model, page)
    return fig


def show_reading(fig, model, page):
    """Show in the window what is drawn on `page`, and what `model` makes of it."""
    drawn, seen, bars = fig.axes
    pixels, probabilities, text = read(model, page)
    rival, answer = np.argsort(probabilities)[-2:]
    key = f"Orange speaks for {answer}, blue for {rival}. Blue glow: ink that {rival} lacks"
    fig.suptitle(f"It reads: {text}\n{key if pixels.any() else ''}")
    drawn.images[0].set_data(page)
    seen.images[0].set_data(explain(model, pixels, answer, rival))
    for digit, bar in enumerate(bars.patches):
        colour = {answer: ORANGE, rival: BLUE}.get(digit, "grey")
        bar.set(height=probabilities[digit], color=colour)
    fig.canvas.draw_idle()


def main():
    gc.freeze()  # Python ends a second sooner if it needn't tidy up TensorFlow
    parser = argparse.ArgumentParser(description="Test the network of model.py.")
    parser.add_argument("--draw", action="store_true", help="draw with the mouse")
    parser.add_argument("pictures", nargs="*", help="pictures of one digit each")
    args = parser.parse_args()
    try:
        model = keras.models.load_model(MODEL_PATH)
    except (OSError, TypeError, ValueError) as error:
        sys.exit(f"{MODEL_PATH} can't be loaded: {error} Run `python model.py`.")

    all_read = True
    if args.draw:
        canvas = drawing_window(model).canvas
        if not canvas.required_interactive_framework:
            sys.exit("No window: use a terminal, or `%matplotlib qt` in a notebook.")
    if args.pictures:
        all_read = read_pictures(model, args.pictures)
    if not args.draw and not args.pictures:
        measure(model)
    plt.show(block=True)
    sys.exit(0 if all_read else 1)


if __name__ == "__main__":
    main()
