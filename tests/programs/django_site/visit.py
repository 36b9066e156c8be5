"""Upload files to the site, as a browser would, and print as JSON what the site answers:  python visit.py FILE..."""

import json
import re
import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
client = Client()
posts = []
for name in sys.argv[1:]:
    with open(name, "rb") as upload:  # noqa: PTH123
        response = client.post("/", {"title": "Cat", "picture": upload})
    posts.append([response.status_code, response.content.decode()])
page = client.get("/").content.decode()
thumbnails = {}
for kind, url in re.findall(r'<img class="(\w+)" src="([^"]+)"', page):
    answer = client.get(url)
    thumbnails[kind] = [answer.status_code, answer["Content-Type"], b"".join(answer.streaming_content).hex()]
print(json.dumps({"posts": posts, "page": page, "thumbnails": thumbnails}))
