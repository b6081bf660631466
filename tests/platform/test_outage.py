"""When a run stops asking: the platform is down, or only what was asked of it fails."""

import pytest

from dsintegration.exceptions import (
    DossierNotFound,
    DSAccessDenied,
    DSInvalidResponse,
    DSUnavailable,
    Reason,
)
from dsintegration.platform.outage import AT_MOST, IN_A_ROW, Outage

TIMEOUT = DSUnavailable(Reason.TIMEOUT)
NO_RIGHT = DSAccessDenied(Reason.NO_RIGHT)


class Platform:
    """In the place of a client: it answers the last question, or not."""

    def __init__(self) -> None:
        self.is_up, self.asked = True, 0

    def answers(self) -> bool:
        self.asked += 1
        return self.is_up


@pytest.fixture
def platform():
    return Platform()


@pytest.fixture
def outage(platform):
    return Outage(platform)


def fail(outage, times, err=TIMEOUT):
    for _ in range(times):
        outage.note_failure(err)


def test_several_in_a_row_are_asked_about_once(outage, platform):
    platform.is_up = False
    assert not outage.is_suspected
    fail(outage, IN_A_ROW - 1)
    assert (outage.is_suspected, outage.is_over, platform.asked) == (True, False, 0)
    fail(outage, 1)
    assert (outage.is_over, outage.stopped_by, platform.asked) == (True, TIMEOUT, 1)


def test_a_platform_that_answers_is_trusted_anew(outage, platform):
    fail(outage, IN_A_ROW)
    assert (outage.is_over, outage.is_suspected, platform.asked) == (False, False, 1)
    fail(outage, IN_A_ROW - 1)
    assert platform.asked == 1
    fail(outage, 1)
    assert platform.asked == 2


@pytest.mark.parametrize(
    "answered",
    [
        lambda outage: outage.note_success(),
        lambda outage: outage.note_failure(NO_RIGHT),
        lambda outage: outage.note_lone_failure(TIMEOUT),
    ],
)
def test_one_answer_between_them_is_enough(outage, platform, answered):
    fail(outage, IN_A_ROW - 1)
    answered(outage)
    assert not outage.is_suspected
    fail(outage, IN_A_ROW - 1)
    assert (outage.is_over, platform.asked) == (False, 0)


def test_what_says_no_says_something(outage, platform):
    fail(outage, 10 * IN_A_ROW, NO_RIGHT)
    assert (outage.is_over, outage.is_suspected, platform.asked) == (False, False, 0)


def test_what_all_would_meet_needs_no_question(outage, platform):
    fail(outage, IN_A_ROW, DSUnavailable(Reason.MAINTENANCE))
    assert (outage.is_over, platform.asked) == (True, 0)


def test_a_token_that_is_refused_stops_at_once(outage):
    fail(outage, 1, refused := DSAccessDenied(Reason.TOKEN_REFUSED))
    assert outage.stopped_by is refused


def test_those_that_fail_by_themselves_are_many_at_most(outage):
    for _ in range(AT_MOST - 1):
        outage.note_lone_failure(TIMEOUT)
        outage.note_lone_failure(NO_RIGHT)  # the platform looked
    assert not outage.is_over
    outage.note_lone_failure(TIMEOUT)
    assert outage.stopped_by is TIMEOUT


class TestWhoseFailureItIs:
    def test_its_own(self, outage, platform):
        fail(outage, 1)
        assert outage.is_of_one(TIMEOUT)
        assert (platform.asked, outage.is_suspected) == (1, False)

    def test_that_of_all(self, outage, platform):
        platform.is_up = False
        assert not outage.is_of_one(TIMEOUT)
        assert not outage.is_over

    @pytest.mark.parametrize("err", [DossierNotFound(), NO_RIGHT])
    def test_what_is_said_of_the_dossier(self, outage, platform, err):
        assert outage.is_of_one(err)
        assert platform.asked == 0

    def test_what_all_would_meet(self, outage, platform):
        assert not outage.is_of_one(DSUnavailable(Reason.THROTTLED))
        assert platform.asked == 0

    def test_a_document_that_is_refused(self, outage, platform):
        outage.is_of_one(refused := DSInvalidResponse(Reason.QUERY_REFUSED))
        assert outage.stopped_by is refused
