"""Engines that tell whether a face that is seen is the one that is heard."""
