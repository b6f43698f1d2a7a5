"""A scene as the films and files that published video models read, one file per model; nothing here needs torch.

Every profile is one file that ends with its registered `Profile`. Files of this room are found by themselves.
"""
