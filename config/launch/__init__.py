"""The commands of run.py, inside the environment that it prepared: python -m config.launch COMMAND."""
