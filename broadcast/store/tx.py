"""One transaction: every repository on the same session."""

from sqlalchemy.orm import Session

from broadcast.store.accounts import Accounts, Sessions
from broadcast.store.acts import Acts, Checkpoints
from broadcast.store.admission import Changes, Factors, Invitations, Passkeys, Tokens
from broadcast.store.approvals import Approvals, Policies
from broadcast.store.areas import Areas
from broadcast.store.as_run import AsRun
from broadcast.store.assets import Assets
from broadcast.store.boards import Boards
from broadcast.store.broadcasts import Broadcasts
from broadcast.store.conferences import ConferenceDoors, ConferencePlans, Conferences
from broadcast.store.deliveries import Deliveries
from broadcast.store.estate import Abouts, Enrolments, Groups, SilentTests
from broadcast.store.journal import Answers, Facts
from broadcast.store.live import LiveRecords
from broadcast.store.plans import Drafts, Drills, Plans
from broadcast.store.programmes import Programmes
from broadcast.store.proofs import Proofs
from broadcast.store.reports import Reports
from broadcast.store.speakers import Speakers
from broadcast.store.statistics import SpeakerDays
from broadcast.store.watch import Alarms, Shifts


class SqlTx:
    """What `work` gets. Importing this module also makes every table known to `Base.metadata`."""

    def __init__(self, session: Session) -> None:
        self.broadcasts = Broadcasts(session)
        self.boards = Boards(session)
        self.deliveries = Deliveries(session)
        self.reports = Reports(session)
        self.accounts = Accounts(session)
        self.sessions = Sessions(session)
        self.factors = Factors(session)
        self.passkeys = Passkeys(session)
        self.invitations = Invitations(session)
        self.tokens = Tokens(session)
        self.changes = Changes(session)
        self.speakers = Speakers(session)
        self.enrolments = Enrolments(session)
        self.groups = Groups(session)
        self.abouts = Abouts(session)
        self.silent_tests = SilentTests(session)
        self.areas = Areas(session)
        self.answers = Answers(session)
        self.acts = Acts(session)
        self.checkpoints = Checkpoints(session)
        self.alarms = Alarms(session)
        self.shifts = Shifts(session)
        self.facts = Facts(session)
        self.programmes = Programmes(session)
        self.as_run = AsRun(session)
        self.assets = Assets(session)
        self.live = LiveRecords(session)
        self.proofs = Proofs(session)
        self.approvals = Approvals(session)
        self.policies = Policies(session)
        self.plans = Plans(session)
        self.drafts = Drafts(session)
        self.drills = Drills(session)
        self.speaker_days = SpeakerDays(session)
        self.conferences = Conferences(session)
        self.conference_plans = ConferencePlans(session)
        self.conference_doors = ConferenceDoors(session)

    def settle(self) -> None:
        """The last step before the commit: the acts of this transaction join the chain (`store.acts`)."""
        self.acts.settle()
