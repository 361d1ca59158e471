"""The bundled demo: from the Fashion-MNIST files to a checkpoint, and from it to package data."""
