"""Test the network that model.py saved, or have it read your own digits.

python test_model.py                      tests it on images that it has never seen
python test_model.py three.png photo.jpg  reads the digit in each of these pictures
"""

import argparse
import os
import signal
import sys
import warnings

if __name__ == "__main__":  # while the packages load, Ctrl-C ends Python at once
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# As in model.py: TensorFlow is Keras's backend; some harmless messages are hidden.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from PIL import Image, ImageChops, ImageFilter, ImageOps
from sklearn import metrics

from model import MODEL_PATH, TRAINED_ON, fetch_data

ADVICE = "run `python model.py`"
PROBLEMS = {  # what may be wrong with a picture, and what to do about it
    FileNotFoundError: "there is no such file; check the name",
    Image.DecompressionBombError: "it is too large; make it smaller",
    LookupError: "it looks blank; draw one digit with a thick pen",
}


def load_model():
    """Return the network that model.py saved.

    Raises
    ------
    RuntimeError
        If there is none, or only one that model.py did not make.
    """
    try:
        model = keras.models.load_model(MODEL_PATH, compile=False)  # only to predict
    except Exception as error:  # each kind of damage raises a different one
        raise RuntimeError(f"{MODEL_PATH} is missing or damaged: {ADVICE}.") from error
    if not model.name.startswith(TRAINED_ON):
        raise RuntimeError(f"{MODEL_PATH} was not made by model.py: {ADVICE}.")
    return model


def measure(model):
    """Print how well `model` reads the test images, and return three figures.

    Parameters
    ----------
    model : keras.Model
        From `load_model`.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        The figures, by file name.

    Raises
    ------
    RuntimeError
        If it was trained on another split, and so may have seen the test images.
    """
    X_train, X_test, _, y_test = fetch_data()
    if model.name != f"{TRAINED_ON}{len(X_train)}":
        raise RuntimeError(f"{MODEL_PATH} may have seen these test images: {ADVICE}.")
    probabilities = model.predict(X_test, verbose=0)
    y_pred = probabilities.argmax(axis=1)
    # average=None: one score per digit. zero_division=0: the precision of a digit that
    # the network never predicts counts as 0, without a warning.
    precision = metrics.precision_score(y_test, y_pred, average=None, zero_division=0)
    f1 = metrics.f1_score(y_test, y_pred, average=None)

    print(f"Measured on {len(y_test):,} images that the network has never seen:\n")
    print(metrics.classification_report(y_test, y_pred, digits=4, zero_division=0))
    print(f"Mean precision over the digits: {precision.mean():.4f}")
    print(f"Mean F1 score over the digits: {f1.mean():.4f}")
    print(f"Accuracy: {np.mean(y_pred == y_test):.2%} of {len(y_test):,} images")
    matrix = metrics.confusion_matrix(y_test, y_pred)
    return {
        "precision_f1.png": plot_scores(precision, f1),
        "confusion_matrix.png": plot_confusion_matrix(matrix),
        "mistakes.png": plot_mistakes(X_test, y_test, probabilities),
    }


def read_pictures(model, names):
    """Print which digit `model` reads in each picture.

    Parameters
    ----------
    model : keras.Model
        From `load_model`.
    names : list of str
        File names of pictures with one digit each.

    Returns
    -------
    figures : dict of str to matplotlib.figure.Figure
        One figure of all pictures that could be read, by file name.
    status : int
        The exit status: 1 if any could not be read, otherwise 0.
    """
    images, answers = [], []
    for name in names:
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(name) as picture:
                images.append(prepare(picture))
        except Exception as error:  # noqa: BLE001 (damage can raise anything)
            other = "it cannot be read as a picture; save it as PNG or JPEG"
            print(f"{name}: {PROBLEMS.get(type(error), other)}.", file=sys.stderr)
            continue
        p = model.predict_on_batch(images[-1][np.newaxis])[0]  # ten probabilities
        # argsort lists the digits by rising probability: the last two are likeliest.
        second, first = p.argsort()[-2:]
        doubt = f", or {second}: {p[second]:.1%}" if p[first] < 0.9 else ""
        answers.append(f"{first} ({p[first]:.1%} sure{doubt})")
        # Escape the characters that the output's encoding does not have.
        shown = name.encode(sys.stdout.encoding, "backslashreplace")
        print(f"{shown.decode(sys.stdout.encoding)}: {answers[-1]}")
    if not images:
        return {}, 1
    figure = plot_digits(images, answers, "Your digits, as the network saw them")
    return {"own_digits.png": figure}, int(len(images) < len(names))


def prepare(picture):
    """Return the digit in `picture` as MNIST's makers would have prepared it.

    They fitted each digit into a box of 20 x 20 pixels and put its centre of mass in
    the middle of 28 x 28: LeCun et al., "Gradient-based learning applied to document
    recognition", 1998. First, this function tells the ink from the paper.

    Parameters
    ----------
    picture : PIL.Image.Image
        One digit, of any size and mode, dark on light or light on dark.

    Returns
    -------
    ndarray of float32, shape (784,)
        28 rows of 28 pixels, from 0 (paper) to 1 (ink).

    Raises
    ------
    LookupError
        If it looks blank.
    OSError
        If the file that it comes from is damaged.
    """
    picture = ImageOps.exif_transpose(picture)  # upright, however the phone was held
    if picture.mode[0] in "IF":  # more than 8 bits per pixel
        picture = Image.fromarray(np.uint8(np.asarray(picture) / np.max(picture) * 255))
    picture = picture.convert("RGBA")
    picture.thumbnail((500, 500))  # also averages out a camera's noise
    # Transparent paper becomes grey, on which black ink and white ink both show.
    page = Image.alpha_composite(Image.new("RGBA", picture.size, "grey"), picture)

    # Most of what surrounds a pixel is paper, in the same light. So the median is the
    # colour of the paper there, even in a shadow. On 24 x 24 pixels, a 25 x 25 median
    # looks half a page in each direction.
    paper = page.resize((24, 24)).filter(ImageFilter.MedianFilter(25))
    # Ink is what differs from the paper: darker, lighter or another colour. The limits,
    # 25 of 255 and 0.35 of the strongest ink, were found by experiment.
    ink = np.max(ImageChops.difference(page, paper.resize(page.size)), axis=2)
    if ink.max() < 25:
        raise LookupError("it looks blank")
    ink = Image.fromarray(np.where(ink < 0.35 * ink.max(), 0, ink))  # without smudges

    # A box of 19, not 20, because the digit has just lost its faint edges.
    ink = ink.crop(ink.getbbox())
    ink = ink.resize([max(1, round(19 * side / max(ink.size))) for side in ink.size])
    digit = np.asarray(ink) / np.max(ink)
    # The mean row and the mean column of the pixels, weighted by their ink.
    centre = (np.indices(digit.shape) * digit).sum(axis=(1, 2)) / digit.sum()
    # The top left corner goes where this puts the centre on pixel 14, as in MNIST, but
    # not so far that part of the digit would leave the image.
    start = np.clip(np.rint(14 - centre), 0, 28 - np.array(digit.shape)).astype(int)
    margins = [(before, 28 - before - n) for before, n in zip(start, digit.shape)]
    return np.pad(digit, margins).astype("float32").ravel()


def plot_scores(precision, f1):
    """Draw the precision and the F1 score of each digit, side by side.

    Parameters
    ----------
    precision, f1 : ndarray of float, shape (10,)
        From 0 to 1.

    Returns
    -------
    matplotlib.figure.Figure
    """
    digits = np.arange(10)
    # On a scale from 0, all good scores look alike. This one starts at the next
    # multiple of 0.05 below the lowest score.
    bottom = max(0, (np.ceil(20 * min(*precision, *f1)) - 1) / 20)
    fig, ax = plt.subplots(figsize=(9, 5), layout="constrained")
    # One dark and one light colour, which colour-blind readers can tell apart.
    ax.bar(digits - 0.2, precision, 0.4, color="#1f5a99", label="Precision")
    ax.bar(digits + 0.2, f1, 0.4, color="#7fc97f", label="F1 score")
    for bars in ax.containers:
        ax.bar_label(bars, fmt="%.3f", rotation=90, padding=3, fontsize=9)
    ax.set(xlabel="Digit", ylabel=f"Score (scale starts at {bottom:.2f})")
    ax.set(xticks=digits, yticks=np.linspace(bottom, 1, 6))
    ax.set_ylim(bottom, 1.15 - 0.15 * bottom)  # with room above 1 for the bar labels
    ax.set_title(f"Precision and F1 score per digit; lowest F1: digit {f1.argmin()}")
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def plot_confusion_matrix(matrix):
    """Draw a confusion matrix in which the mistakes stand out.

    Parameters
    ----------
    matrix : ndarray of int, shape (10, 10)
        How many images of each true digit (row) got each prediction (column).

    Returns
    -------
    matplotlib.figure.Figure
    """
    # Beside a thousand right answers, ten mistakes would hardly be coloured at all.
    # So the scale covers only the mistakes; right answers lie beyond it, in grey.
    is_mistake = ~np.eye(10, dtype=bool)
    mistakes = matrix[is_mistake]
    worst = max(1, mistakes.max())
    colours = np.where(is_mistake, matrix, worst + 1)
    palette = sns.light_palette("orange", as_cmap=True).with_extremes(over="lightgrey")
    fig, ax = plt.subplots(figsize=(8, 7), layout="constrained")
    sns.heatmap(colours, vmin=0, vmax=worst, cmap=palette, annot=matrix, fmt="d", ax=ax)
    ax.collections[0].colorbar.set_label("Mistakes")
    ax.tick_params(axis="y", rotation=0)
    ax.set(xlabel="Predicted digit", ylabel="True digit")
    ax.set_title(f"{mistakes.sum():,} mistakes in {matrix.sum():,} images")
    return fig


def plot_mistakes(X, y_true, probabilities):
    """Draw up to 18 mistakes, starting with those that the network was surest of.

    Parameters
    ----------
    X : ndarray of float, shape (n, 784)
        Pixels from 0 to 1.
    y_true : ndarray of int, shape (n,)
        Digits from 0 to 9.
    probabilities : ndarray of float, shape (n, 10)
        One for each digit, from 0 to 1.

    Returns
    -------
    matplotlib.figure.Figure
    """
    y_pred, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(y_pred != y_true)
    surest = sorted(wrong, key=lambda i: -confidence[i])[:18]
    titles = [f"{y_true[i]} taken for {y_pred[i]}\n{confidence[i]:.2%}" for i in surest]
    return plot_digits(X[surest], titles, f"Most confident of {len(wrong):,} mistakes")


def plot_digits(X, titles, heading):
    """Draw each image under its title, six to a row.

    Parameters
    ----------
    X : sequence of n ndarrays of float, each of shape (784,)
        Pixels from 0 (drawn white) to 1 (drawn black).
    titles : list of str, length n
    heading : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    # At least two wide, so that there is room for the heading.
    rows, cols = max(1, int(np.ceil(len(X) / 6))), min(6, max(2, len(X)))
    size = 1.7 * cols, 0.7 + 1.6 * rows
    fig, axs = plt.subplots(rows, cols, figsize=size, layout="constrained")
    plt.setp(axs, xticks=[], yticks=[], frame_on=False)
    for ax, pixels, title in zip(axs.flat, X, titles):
        ax.set_frame_on(True)  # shows where the digit lies in the 28 x 28 pixels
        ax.imshow(pixels.reshape(28, 28), cmap="gray_r", vmin=0, vmax=1)
        ax.set_title(title.replace(", ", ",\n"), size=10)
    fig.suptitle(heading)
    return fig


def main():
    parser = argparse.ArgumentParser(description="Test model.py's network.")
    parser.add_argument("pictures", nargs="*", help="read the digits in these instead")
    names = parser.parse_args().pictures
    try:
        model = load_model()
        figures, status = read_pictures(model, names) if names else (measure(model), 0)
        for name, figure in figures.items():
            figure.savefig(name, dpi=120)
            print(f"Saved {name}")
    except (RuntimeError, OSError, ValueError) as error:  # the last: too large a figure
        sys.exit(f"Stopped: {error}")
    plt.show(block=True)
    sys.exit(status)


if __name__ == "__main__":
    # From here on, Ctrl-C lets Python tidy up first, and shows no traceback.
    signal.signal(signal.SIGINT, lambda *_: sys.exit("\nInterrupted."))
    main()
