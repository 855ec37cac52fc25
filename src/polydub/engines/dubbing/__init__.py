"""Engines that dub a whole scene at once: lines, faces, a clue and reference voices go in."""
