"""A site with an upload form; $SITE_FOLDER is where its database and its pictures are."""

import os
from pathlib import Path

import pillow_sdz  # noqa: F401  # all that .sdz needs

FOLDER = Path(os.environ["SITE_FOLDER"])

SECRET_KEY = "for tests only"
DEBUG = True
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["easy_thumbnails", "imagekit", "sorl.thumbnail", "gallery"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "database.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MEDIA_ROOT = FOLDER / "media"
MEDIA_URL = "/media/"
USE_TZ = True

THUMBNAIL_ALIASES = {"": {"small": {"size": (90, 90)}}}  # of easy-thumbnails
