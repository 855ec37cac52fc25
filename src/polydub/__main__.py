"""``python -m polydub``."""

from polydub.interfaces.cli.main import main

if __name__ == "__main__":
    main()
