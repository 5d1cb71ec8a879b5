"""Backpropagation by hand, in NumPy, agrees with Keras's and TensorFlow's."""

import keras
import numpy as np
import tensorflow as tf


def test_probabilities_and_gradient_by_hand(network, data):
    X, y = data[1][:100], data[3][:100]
    W1, b1, W2, b2, W3, b3 = network.get_weights()  # weights and biases of three layers

    # Forwards: weighted sums, plus biases. relu turns negative sums into 0.
    sums1 = X @ W1 + b1
    outputs1 = np.maximum(0, sums1)
    sums2 = outputs1 @ W2 + b2
    outputs2 = np.maximum(0, sums2)
    powers = np.exp(outputs2 @ W3 + b3)  # softmax: powers of e, divided by their total
    p = powers / powers.sum(axis=1, keepdims=True)
    assert np.allclose(p, network.predict_on_batch(X), rtol=0, atol=1e-5)

    # Backwards, by the chain rule. The loss is the mean of -ln(p of the right digit).
    # Its slope for a logit, which softmax gets, is p (p - 1 for the right one) / 100.
    d_logits = (p - np.eye(10)[y]) / len(X)
    d_W3, d_b3 = outputs2.T @ d_logits, d_logits.sum(axis=0)
    d_sums2 = d_logits @ W3.T * (sums2 > 0)  # where relu gave 0, the slope is 0
    d_W2, d_b2 = outputs1.T @ d_sums2, d_sums2.sum(axis=0)
    d_sums1 = d_sums2 @ W2.T * (sums1 > 0)
    d_W1, d_b1 = X.T @ d_sums1, d_sums1.sum(axis=0)

    with tf.GradientTape() as tape:
        loss = keras.losses.SparseCategoricalCrossentropy()(y, network(X))
    gradient = tape.gradient(loss, network.trainable_weights)
    by_hand = [d_W1, d_b1, d_W2, d_b2, d_W3, d_b3]
    for ours, theirs in zip(by_hand, gradient, strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=1e-6)
        assert np.abs(ours).max() > 1e-4
