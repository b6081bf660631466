"""What a refresh came to."""

import pytest

from dsintegration.exceptions import (
    DossierNotFound,
    DSAccessDenied,
    DSInvalidResponse,
    DSUnavailable,
    Reason,
)
from dsintegration.refresh import Tally

OF_THE_PLATFORM = DSUnavailable(Reason.MAINTENANCE)


def test_failures_are_counted_by_their_kind():
    tally = Tally()
    for err in (DossierNotFound(), DSAccessDenied(Reason.NO_RIGHT), OF_THE_PLATFORM):
        tally.add(err)
        tally.add(err)
    tally.add(DSInvalidResponse(Reason.UNEXPECTED))
    nothing = {"fetched": 0, "changed": 0, "checked": 0}
    assert tally.counts == nothing | {"absent": 2, "denied": 2, "failed": 3}
    assert [type(err) for err in tally.failures.values()] == [
        DSAccessDenied,
        DSUnavailable,
        DSInvalidResponse,
    ]


@pytest.mark.parametrize("came", ["fetched", "checked", "absent"])
def test_it_was_in_vain_where_nothing_came(came):
    tally = Tally()
    assert not tally.is_in_vain
    tally.add(OF_THE_PLATFORM)
    assert tally.is_in_vain
    setattr(tally, came, 1)
    assert not tally.is_in_vain
