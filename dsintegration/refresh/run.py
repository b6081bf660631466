"""What the parts of one refresh share."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from dsintegration import journal
from dsintegration.mirror.turn import Turn
from dsintegration.moments import Moment
from dsintegration.platform.client import Client
from dsintegration.platform.outage import Outage
from dsintegration.refresh.tally import Tally
from dsintegration.services import Outcome, fetch_dossiers


@dataclass
class Run:
    client: Client
    instance: str
    by: journal.Actor
    tally: Tally
    outage: Outage
    turn: Turn
    full: bool
    told_to_stop: Callable[[], bool]
    began_at: datetime  # by our own clock

    def must_stop(self) -> bool:
        self.turn.renew()
        return self.turn.is_lost or self.told_to_stop()

    def fetch(self, numbers: Iterable[int]) -> Iterator[Outcome]:
        """Fetch these by number, and count what came of each."""
        outcomes = fetch_dossiers(
            numbers,
            client=self.client,
            by=self.by,
            outage=self.outage,
            must_stop=self.must_stop,
        )
        for outcome in outcomes:
            if outcome.result:
                self.tally.fetched += 1
                self.tally.changed += outcome.result.changed
            elif outcome.error:
                self.tally.add(outcome.error)
            yield outcome

    def started(self) -> datetime:
        """When it began by the platform's clock, as far as that is known by now."""
        return self.began_at + self.client.clock.offset

    def moment(self, sent_at: datetime) -> Moment:
        return Moment(sent_at, self.client.now())
