"""The families of features, one a file."""
