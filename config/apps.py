from django.apps import AppConfig


class ShellConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from config import logins  # noqa: F401  # its receivers
