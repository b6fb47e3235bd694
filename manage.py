#!/usr/bin/env python
"""Django's command line for this project.

Separate from run.py, which prepares the environment first: this one expects to be run inside it.
"""

import sys

from django.core.management import execute_from_command_line

from config import env


def main() -> None:
    env.use_settings()
    try:
        execute_from_command_line(sys.argv)
    except env.InvalidEnvironment as error:
        # A wrong variable is the operator's to mend: the sentence, without forty lines of traceback.
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
