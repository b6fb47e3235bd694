"""A process that writes at random: ``python -m tests.contract.writer_process FAMILY SEED COUNT``.

Apart from the writer itself, which tests use within their own process too.
"""

import sys

import django

if __name__ == "__main__":
    django.setup()

    from tests.contract.random_writer import RandomWriter  # needs the apps

    writer = RandomWriter(sys.argv[1], int(sys.argv[2]))
    for _ in range(int(sys.argv[3])):
        writer.write()
