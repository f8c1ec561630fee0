"""What approvals, plans, drafts and drills refuse, as answers; a part of the table in `problems`."""

from collections.abc import Mapping
from http import HTTPStatus

from broadcast.domain.approval import (
    ApprovalNeeded,
    ApprovalOver,
    AuthorGone,
    GlassUnbreakable,
    NothingToReview,
    NotTheAuthor,
    NotWhatWaits,
    OwnRequest,
    PolicyChanged,
    TooManyWaiting,
    UnknownApproval,
)
from broadcast.domain.drafts import DraftChanged, UnknownDraft
from broadcast.domain.drills import DrillOver, DrillReachesNobody, UnknownDrill
from broadcast.domain.errors import BroadcastError
from broadcast.domain.plans import OwnPlan, SavedPlanChanged, UnknownPlan

S = HTTPStatus
GOVERNANCE: Mapping[type[BroadcastError], tuple[HTTPStatus, str]] = {
    ApprovalNeeded: (S.CONFLICT, "approval-needed"),
    ApprovalOver: (S.CONFLICT, "approval-over"),
    AuthorGone: (S.CONFLICT, "author-gone"),
    DraftChanged: (S.PRECONDITION_FAILED, "draft-changed"),
    DrillOver: (S.CONFLICT, "drill-over"),
    DrillReachesNobody: (S.CONFLICT, "drill-reaches-nobody"),
    GlassUnbreakable: (S.FORBIDDEN, "glass-unbreakable"),
    NotTheAuthor: (S.FORBIDDEN, "not-the-author"),
    NotWhatWaits: (S.CONFLICT, "not-what-waits"),
    NothingToReview: (S.CONFLICT, "nothing-to-review"),
    OwnPlan: (S.FORBIDDEN, "own-plan"),
    OwnRequest: (S.FORBIDDEN, "own-request"),
    PolicyChanged: (S.PRECONDITION_FAILED, "policy-changed"),
    SavedPlanChanged: (S.PRECONDITION_FAILED, "saved-plan-changed"),
    TooManyWaiting: (S.CONFLICT, "too-many-waiting"),
    UnknownApproval: (S.NOT_FOUND, "unknown-approval"),
    UnknownDraft: (S.NOT_FOUND, "unknown-draft"),
    UnknownDrill: (S.NOT_FOUND, "unknown-drill"),
    UnknownPlan: (S.NOT_FOUND, "unknown-plan"),
}
