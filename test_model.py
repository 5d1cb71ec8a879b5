"""Measure the network that model.py saved, on digits that it never saw.

python test_model.py    prints its scores, and draws and saves three figures
"""

import argparse
import sys
import warnings

import keras
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from sklearn.metrics import (
    classification_report,
    confusion_matrix,
    precision_recall_fscore_support,
)

from model import MODEL_PATH, fetch_data

DIGITS = np.arange(10)


def load_model():
    """Return the network that model.py saved.

    Raises
    ------
    RuntimeError
        If there is none, or not one that makes ten probabilities of 784 pixels.
    """
    try:
        model = keras.models.load_model(MODEL_PATH, compile=False)
        shapes = model.input_shape, model.output_shape
    except Exception as error:  # each kind of damage raises another one
        raise RuntimeError(
            f"{MODEL_PATH} is missing or damaged: run `python model.py` to make it."
        ) from error
    if shapes != ((None, 784), (None, 10)):
        raise RuntimeError(
            f"{MODEL_PATH} is a network for other data: run `python model.py` to "
            "replace it."
        )
    return model


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
    # From 0 on, all good scores look alike. So start at a multiple of 0.05, at least
    # 0.01 below the worst.
    bottom = max(0, np.floor(20 * min(*precision, *f1) - 0.2) / 20)
    fig, ax = plt.subplots(figsize=(9, 5))
    fig.subplots_adjust(left=0.09, right=0.98, bottom=0.18, top=0.92)
    # A dark and a light colour can be told apart by everyone.
    left = ax.bar(DIGITS - 0.2, precision, 0.4, color="#1f5a99", label="Precision")
    right = ax.bar(DIGITS + 0.2, f1, 0.4, color="#7fc97f", label="F1 score")
    for bars in left, right:
        ax.bar_label(bars, fmt="%.3f", rotation=90, padding=3, fontsize=9)
    ax.set_xticks(DIGITS)
    ax.set_yticks(np.linspace(bottom, 1, 6))
    ax.set_ylim(bottom, bottom + 1.15 * (1 - bottom))  # with room for the labels
    ax.set_xlabel("Digit")
    ax.set_ylabel(f"Score (the scale starts at {bottom:.2f})")
    ax.set_title(f"Precision and F1 score per digit; lowest F1: {f1.argmin()}")
    fig.legend(loc="lower center", ncols=2)
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
    # On one colour scale with a thousand right answers, ten mistakes would not show.
    # So the diagonal, where the right answers are, is left out and drawn in grey.
    diagonal = np.eye(10, dtype=bool)
    mistakes = matrix[~diagonal]
    fig, ax = plt.subplots(figsize=(8, 7))
    fig.subplots_adjust(left=0.08, right=1, bottom=0.08, top=0.94)
    counts = {"annot": matrix, "fmt": "d", "annot_kws": {"color": "black"}, "ax": ax}
    sns.heatmap(
        matrix,
        mask=diagonal,
        cmap=sns.light_palette("orangered", as_cmap=True),
        vmin=0,
        vmax=max(1, mistakes.max()),
        cbar_kws={"label": "Mistakes"},
        **counts,
    )
    sns.heatmap(matrix, mask=~diagonal, cmap=["lightgrey"], cbar=False, **counts)
    ax.tick_params(axis="y", rotation=0)
    ax.set_xlabel("Predicted digit")
    ax.set_ylabel("True digit")
    ax.set_title(f"{mistakes.sum():,} mistakes in {matrix.sum():,} images")
    return fig


def plot_mistakes(X, y_true, probabilities):
    """Draw up to 18 mistakes, those of which the network was surest first.

    Parameters
    ----------
    X : ndarray of float, shape (n, 784)
        Pixels from 0 to 1.
    y_true : ndarray of int, shape (n,)
        Digits from 0 to 9.
    probabilities : ndarray of float, shape (n, 10)
        The network's answers, from 0 to 1.

    Returns
    -------
    matplotlib.figure.Figure
    """
    y_pred, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(y_pred != y_true)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:18]
    fig, axes = plt.subplots(3, 6, figsize=(9, 5.5))
    fig.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.83, hspace=0.5)
    for ax in axes.flat:
        ax.axis("off")
    for ax, i in zip(axes.flat, worst):
        ax.imshow(X[i].reshape(28, 28), cmap="gray_r", vmin=0, vmax=1)
        ax.set_title(
            f"{y_true[i]} taken for {y_pred[i]}\n{confidence[i]:.2%} sure", size=10
        )
    title = f"The {len(worst)} most confident of {len(wrong):,} mistakes"
    fig.suptitle(title if len(wrong) else "No mistakes")
    return fig


def main():
    argparse.ArgumentParser(description="Measure the network of model.py.").parse_args()
    try:
        model = load_model()
        X_train, X_test, _, y_test = fetch_data()
    except RuntimeError as error:
        sys.exit(str(error))
    # All of MNIST and the sample are split differently: what is for testing in one
    # may have been for training in the other.
    if "trained_on" in model.name and f"_{len(X_train)}_" not in model.name:
        sys.exit(
            f"{MODEL_PATH} was {model.name.replace('_', ' ')}, not on the "
            f"{len(X_train)} of this split, so it may have seen the test images: try "
            "again when MNIST comes from where it came from then, or run "
            "`python model.py` to train on what there is now."
        )

    probabilities = model.predict(X_test, verbose=0)
    y_pred = probabilities.argmax(axis=1)
    # The precision of a digit that was never predicted counts as 0.
    options = {"labels": DIGITS, "zero_division": 0}
    precision, _recall, f1, _support = precision_recall_fscore_support(
        y_test, y_pred, **options
    )
    print(f"Measured on {len(y_test):,} images that the network never saw:\n")
    print(classification_report(y_test, y_pred, digits=4, **options))
    print(f"Average precision over the digits: {precision.mean():.4f}")
    print(f"Average F1 score over the digits: {f1.mean():.4f}")
    print(f"Accuracy: {np.mean(y_pred == y_test):.2%} of {len(y_test):,} images")

    figures = {
        "precision_f1.png": plot_scores(precision, f1),
        "confusion_matrix.png": plot_confusion_matrix(
            confusion_matrix(y_test, y_pred, labels=DIGITS)
        ),
        "mistakes.png": plot_mistakes(X_test, y_test, probabilities),
    }
    try:
        for name, figure in figures.items():
            figure.savefig(name, dpi=120)
    except OSError as error:
        sys.exit(f"{name} could not be saved: {error}")
    for name in figures:
        print(f"Saved {name}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvas")  # said if there is no screen
        plt.show(block=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted.")
