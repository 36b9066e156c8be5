"""The page, and what was uploaded."""

from django.conf import settings
from django.conf.urls.static import static
from django.urls import path
from gallery.views import photos

urlpatterns = [path("", photos), *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT)]
