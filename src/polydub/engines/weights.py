"""Where weights come from: explicit path, hub cache, installed package, hub download on request.

Every weight has a name, a SHA-256, a licence and ordered sources. Weights that arrive as Python
packages are community mirrors of open models: they are joined into polydub's own cache when split,
verified once against the checksum, and never trusted by name alone.
"""
