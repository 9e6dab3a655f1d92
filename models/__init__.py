"""The Keras models: policy network, action distributions, and the module that is exported."""
