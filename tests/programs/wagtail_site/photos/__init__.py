"""Lets the site take .sdz."""
