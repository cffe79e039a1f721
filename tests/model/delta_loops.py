"""herranz2022's networks once more, in plain numpy: what the tests hold the torch reference against.

`fire` stands for the spike, so that the same loops serve the step and its smooth replacement. `held` are activities
recorded before: what is held in the reset or the recurrence does not change with the weights, which is what detaching a
gradient means.
"""

import numpy as np
from scipy.special import log_softmax


def step(x):
    return (x > 0).astype(float)


def simulate(spec, weights, inputs, fire=step, held=None, masks=None):
    """Return spikes and voltages of each layer and the logits, (steps, batch, units), of `inputs` of that shape."""
    net, held = spec.network, held or {}
    steps, batch, _ = inputs.shape
    below, spikes, voltages, outputs = inputs, [], [], []
    for layer, n in enumerate(net.hidden, start=1):
        if masks is not None:
            below = below * masks[layer - 1]
        fired, volts, out = (np.zeros((steps, batch, n)) for _ in range(3))
        y, b, c = (np.zeros((batch, n)) for _ in range(3))
        v = weights.get(f"V{layer}", np.zeros((1, 1)))
        if net.neuron != "slstm":
            v = v * (1 - np.eye(n)) if net.recurrent else np.zeros((n, n))
            alpha, thr, beta, d = constants(spec, weights, layer)
        for t in range(steps):
            last = out[t - 1] if t else np.zeros((batch, n))
            seen = held["recurrent"][layer - 1][t - 1] * (t > 0) if "recurrent" in held else last
            drive = below[t] @ weights[f"W{layer}"].T + weights.get(f"b{layer}", 0.0)
            if net.recurrent:
                drive = drive + seen @ v.T
            if net.neuron == "slstm":
                i, f, g, o = (drive[:, k * n : (k + 1) * n] for k in range(4))
                sign = {"coded": 1, "printed": -1}[net.tanh]
                c = fire(f) * c + fire(i) * sign * (2 * fire(g) - 1)
                fired[t], volts[t] = fire(o), c
                out[t] = fired[t] * sign * (2 * fire(c) - 1)
                continue
            r = held["reset"][layer - 1][t - 1] * (t > 0) if "reset" in held else last
            b = d * b + (1 - d) * last
            threshold = thr + beta * b
            y = {
                "subtractive": alpha * y + drive - threshold * r,
                "multiplicative": alpha * y * (1 - r) + drive,
                "multiplicative_scaled": alpha * (y * (1 - r) + drive),
                "refractory": (alpha * y + drive) * (1 - r),
                "refractory_scaled": alpha * (y + drive) * (1 - r),
            }[net.reset]
            fired[t] = out[t] = fire(y - threshold)
            volts[t] = y
        spikes.append(fired)
        voltages.append(volts)
        outputs.append(out)
        below = out
    logits = below @ weights["W_out"].T + weights["b_out"]
    return spikes, voltages, logits, outputs


def constants(spec, weights, layer):
    """Return alpha, thr, beta and d of a layer's neurons."""
    net = spec.network
    if net.trained_neurons:
        alpha, thr = np.exp(-1 / weights[f"tau_membrane{layer}"]), weights[f"threshold{layer}"]
        if net.neuron == "delta_lif":
            return alpha, thr, 0.0, 0.0
        return alpha, thr, weights[f"adaptation{layer}"], np.exp(-1 / weights[f"tau_adaptation{layer}"])
    if net.neuron == "delta_lif":
        return net.membrane_decay, net.threshold, 0.0, 0.0
    return net.membrane_decay, net.threshold, net.adaptation, np.exp(-1 / net.tau_adaptation)


def cross_entropy(logits, labels):
    """Return the mean over steps and samples of the cross-entropy."""
    return -log_softmax(logits, axis=2)[:, np.arange(len(labels)), labels].mean()
