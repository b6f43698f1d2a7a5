"""`python -m kinema` is the `kinema` command."""

from kinema.app.cli import main

if __name__ == "__main__":
    main()
