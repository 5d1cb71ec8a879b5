"""Draw the README's pictures anew, from a run on all 70,000 images.

python model.py && python tests/update_figures.py
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.text import Text
from sklearn.metrics import confusion_matrix

DPI = 120  # as test_model.py saves them
FIGURES = Path(__file__).resolve().parent / "figures"
sys.path.insert(0, str(FIGURES.parent.parent))

import test_model


def scores(matrix):
    """Return precision, recall and F1 per digit, as a confusion matrix defines them."""
    right = np.diag(matrix)
    precision, recall = right / matrix.sum(axis=0), right / matrix.sum(axis=1)
    return precision, recall, 2 * precision * recall / (precision + recall)


def draw(stored):
    """Return {name: Figure}, drawn from what `main` has stored."""
    precision, _, f1 = scores(stored["matrix"])
    return {
        "precision_f1.png": test_model.plot_scores(precision, f1),
        "confusion_matrix.png": test_model.plot_confusion_matrix(stored["matrix"]),
        "mistakes.png": test_model.plot_mistakes(
            stored["X"] / 255, stored["y_true"], stored["probabilities"]
        ),
    }


def labels(figure):
    """Return all that is written in `figure`, one text a line."""
    figure.canvas.draw()
    texts = {text.get_text() for text in figure.findobj(Text) if text.get_visible()}
    return "\n".join(sorted(texts - {""}))


def main():
    mpl.use("Agg")
    model = test_model.load_model()
    _, X_test, _, y_test = test_model.fetch_data()
    probabilities = model.predict(X_test, verbose=0)
    y_pred = probabilities.argmax(axis=1)
    wrong = y_pred != y_test
    stored = {
        "matrix": confusion_matrix(y_test, y_pred),
        "X": np.rint(255 * X_test[wrong]).astype("uint8"),
        "y_true": y_test[wrong],
        "probabilities": probabilities[wrong],
    }
    np.savez_compressed(FIGURES / "full_run.npz", **stored)
    for name, figure in draw(stored).items():
        # The test reads the text from here, not from the pixels.
        metadata = {"Description": labels(figure), "Software": None}
        figure.savefig(FIGURES / name, dpi=DPI, metadata=metadata)


if __name__ == "__main__":
    main()
