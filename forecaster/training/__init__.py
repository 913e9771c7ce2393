"""How networks and trees are trained: the only place that needs TensorFlow, Keras and Optuna."""

import os

# Read when TensorFlow is imported, which happens below this package alone.
for _name, _value in {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # The network is too small to gain by a GPU, and one would make weights depend on the machine.
    "CUDA_VISIBLE_DEVICES": "-1",
}.items():
    os.environ.setdefault(_name, _value)
