"""`ember models`: one file for each of its commands."""

from ._list import models as models
