"""See docs/how-it-works.md."""
