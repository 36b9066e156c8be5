"""Upload files as an editor would, and print as JSON what the site answers:  python visit.py FILE..."""

import json
import sys

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402
from wagtail.images.models import Image  # noqa: E402

setup_test_environment()  # answers then have the values that their page was made of
call_command("migrate", verbosity=0)
client = Client()
client.force_login(get_user_model().objects.create_superuser("editor", "editor@example.com", "password"))
uploads = []
for name in sys.argv[1:]:
    with open(name, "rb") as upload:  # noqa: PTH123
        response = client.post("/admin/images/add/", {"title": "Cat", "file": upload, "collection": 1})
    errors = response.context["form"].errors.get("file", []) if response.status_code == 200 else []
    uploads.append([response.status_code, list(errors)])
listing = client.get("/admin/images/").content.decode()
stored = [[image.title, image.width, image.height, image.filename.rpartition(".")[2]] for image in Image.objects.all()]
rendition = Image.objects.get().get_rendition("max-90x90").file.path
print(json.dumps({"uploads": uploads, "listing": listing, "stored": stored, "rendition": rendition}))
