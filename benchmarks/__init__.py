"""Measurements on the real thing: see README.md beside this file. Not part of the installed package."""
