"""A photo and, by django-imagekit, its thumbnail."""

from django.db import models
from imagekit.models import ImageSpecField
from imagekit.processors import ResizeToFit


class Photo(models.Model):
    """What the form asks for."""

    title = models.CharField(max_length=80)
    picture = models.ImageField(upload_to="photos", width_field="width", height_field="height")
    width = models.IntegerField(editable=False)
    height = models.IntegerField(editable=False)
    small = ImageSpecField(source="picture", processors=[ResizeToFit(90, 90)], format="JPEG")
