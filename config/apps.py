"""The composition root as an app: it has checks of its own, and nothing else."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Settings, addresses and the start of the project."""

    name = "config"

    def ready(self) -> None:
        """Register the checks."""
        from config import checks

        del checks  # imported for what it registers
