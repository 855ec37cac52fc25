"""See docs/how-it-works.md and docs/evaluation.md."""
