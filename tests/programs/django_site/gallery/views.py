"""The page: a form, and all photos."""

from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from easy_thumbnails.files import get_thumbnailer
from sorl.thumbnail import get_thumbnail

from gallery.models import Photo


class PhotoForm(ModelForm):
    """The upload form."""

    class Meta:
        """Made from the model."""

        model = Photo
        fields = ("title", "picture")


def photos(request: HttpRequest) -> HttpResponse:
    """Show the form; store what is posted."""
    form = PhotoForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        form.save()
        return redirect("/")
    shown = [
        {
            "photo": photo,
            "easy": get_thumbnailer(photo.picture)["small"].url,
            "sorl": get_thumbnail(photo.picture, "90x90").url,
            "imagekit": photo.small.url,
        }
        for photo in Photo.objects.all()
    ]
    return render(request, "gallery/photos.html", {"form": form, "shown": shown})
