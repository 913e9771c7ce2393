"""How the network is trained: the only place that needs TensorFlow, Keras and Optuna."""
