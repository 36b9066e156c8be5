"""The application's configuration."""

from django.apps import AppConfig


class PhotosConfig(AppConfig):
    """It registers .sdz with Willow."""

    name = "photos"

    def ready(self) -> None:
        """Django calls this when its settings are complete."""
        from pillow_sdz.integrations import willow

        willow.register()
