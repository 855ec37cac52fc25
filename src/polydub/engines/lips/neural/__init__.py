"""Lip engines made of networks: one shared shell, and what is each network's own."""
