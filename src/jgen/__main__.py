"""`python -m jgen`, and the command `jgen` of an installation."""

from jgen.cli.main import main

if __name__ == "__main__":
    main()
