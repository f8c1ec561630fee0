"""The estate's tables in memory."""

from collections.abc import Iterable, Mapping, Sequence

from broadcast.domain.enrolments import Enrolment, UnknownEnrolment
from broadcast.domain.estate_tests import Finding, SaidOf, SilentTest
from broadcast.domain.groups import Group, UnknownGroup
from broadcast.service.ports import StoreRefused


class Enrolments:
    def __init__(self) -> None:
        self.rows: dict[str, Enrolment] = {}

    def add(self, enrolment: Enrolment) -> None:
        if enrolment.id in self.rows or self.by_code(enrolment.code_hash):
            raise StoreRefused(f"{enrolment.id} or its code is taken")
        self.rows[enrolment.id] = enrolment

    def save(self, enrolment: Enrolment) -> None:
        if enrolment.id not in self.rows:
            raise UnknownEnrolment(enrolment.id)
        self.rows[enrolment.id] = enrolment

    def get(self, enrolment: str) -> Enrolment | None:
        return self.rows.get(enrolment)

    def by_code(self, code_hash: bytes) -> Enrolment | None:
        return next((one for one in self.rows.values() if one.code_hash == code_hash), None)

    def since(self, made_ms: int) -> Sequence[Enrolment]:
        return [one for _, one in sorted(self.rows.items(), reverse=True) if one.made_ms >= made_ms]


class Groups:
    def __init__(self) -> None:
        self.rows: dict[str, Group] = {}

    def add(self, group: Group) -> None:
        if group.id in self.rows:
            raise StoreRefused(f"{group.id} is taken")
        self.rows[group.id] = group

    def save(self, group: Group) -> None:
        if group.id not in self.rows:
            raise UnknownGroup(group.id)
        self.rows[group.id] = group

    def get(self, group: str) -> Group | None:
        return self.rows.get(group)

    def drop(self, group: str) -> None:
        self.rows.pop(group, None)

    def all(self) -> Sequence[Group]:
        return sorted(self.rows.values(), key=lambda one: (one.name, one.id))


class Abouts:
    def __init__(self) -> None:
        self.rows: dict[str, SaidOf] = {}

    def keep(self, said: Iterable[SaidOf]) -> None:
        self.rows |= {one.speaker: one for one in said}

    def all(self) -> Mapping[str, SaidOf]:
        return dict(self.rows)


class SilentTests:
    def __init__(self) -> None:
        self.rows: dict[str, tuple[SilentTest, tuple[Finding, ...]]] = {}

    def add(self, test: SilentTest, findings: Sequence[Finding]) -> None:
        if test.id in self.rows:
            raise StoreRefused(f"{test.id} is taken")
        self.rows[test.id] = test, tuple(findings)

    def newest(self, *, limit: int) -> Sequence[SilentTest]:
        return [one for _, (one, _) in sorted(self.rows.items(), reverse=True)][:limit]

    def get(self, test: str) -> SilentTest | None:
        return self.rows[test][0] if test in self.rows else None

    def findings(self, test: str) -> Sequence[Finding]:
        found = self.rows[test][1] if test in self.rows else ()
        return sorted(found, key=lambda one: (one.area, one.speaker))

    def forget_before(self, at_ms: int) -> None:
        self.rows = {name: row for name, row in self.rows.items() if row[0].at_ms >= at_ms}
