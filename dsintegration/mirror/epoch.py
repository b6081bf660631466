"""To which life of this database a copy belongs that others keep of it (api/).

A backup that was restored takes versions back: what was given out since is given out again, to
other changes. So it begins an epoch, and copies begin anew.
"""

from django.db.models import F

from dsintegration.mirror.locking import writing
from dsintegration.models import Platform
from dsintegration.models.mirror import new_epoch

# More than any database gives out between a backup and its restoring; so an ETag or a copy of then
# never bears a version of now. JavaScript counts exactly to nine million times that.
STEP = 10**9


def current() -> str:
    rows = Platform.objects.filter(pk=Platform.SINGLETON).values_list("epoch", flat=True)
    epoch = rows.first()
    if epoch is None:  # a flush of the database took the row away
        Platform.objects.bulk_create([Platform()], ignore_conflicts=True)
        epoch = rows.get()
    return epoch


def begin() -> Platform:
    """Draw another epoch, and move the versions on. Writes nothing else."""
    rows = Platform.objects.filter(pk=Platform.SINGLETON)
    with writing(None):
        rows.update(epoch=new_epoch(), version=F("version") + STEP)
        return rows.get()
