"""The library of sounds (音频素材库): taking in, approving, letting expire, deleting; and whether one may be used.

An upload is answered as soon as the file has come whole; it is then taken apart in its turn. What is under way lives in memory:
after a crash it is gone, with its file, and is sent again. What is ready has a row.
"""

import asyncio
import logging
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ulid import ULID

from broadcast.clock import Clock
from broadcast.domain.assets import (
    AnotherSound,
    Asset,
    AssetInUse,
    AssetKind,
    AssetState,
    NewAsset,
    OwnUpload,
    SameFile,
    UnknownAsset,
    Use,
    check,
    check_expiry,
    clean_name,
    misnamed,
    sees,
)
from broadcast.domain.broadcasts import Fault, InvalidRequest
from broadcast.domain.errors import BroadcastError
from broadcast.domain.officers import Officer, Verb
from broadcast.domain.rights import may
from broadcast.service.asset_uses import uses_of
from broadcast.service.estate import Estate
from broadcast.service.health import Health
from broadcast.service.ports import (
    ActRow,
    Received,
    SoundRefused,
    Sounds,
    Spoken,
    Store,
    StoreRefused,
    StoreUnavailable,
    Tx,
    Workshop,
)

log = logging.getLogger(__name__)

KEEP_REFUSED = 200  # uploads that were refused, so that the officer can read why
KEEP_REFUSED_MS = 24 * 3_600_000
MOST_WAITING = 32  # whole, on disk, and not yet taken apart


class TooManyUploads(BroadcastError):
    """As many files are coming in, or wait, as this machine takes at once."""

    def __init__(self, most: int) -> None:
        self.most, self.retry_after_s = most, 30
        super().__init__(f"{most} sounds are being taken in already; try again in a moment")


@dataclass(frozen=True, slots=True)
class AssetRules:
    """What the settings say.

    :param at_once: uploads that may come in together.
    :param approver_must_differ: whoever sent a sound can't approve it.
    :param only_approved: a sound is used only once somebody approved it.
    """

    at_once: int = 10
    approver_must_differ: bool = False
    only_approved: bool = False


@dataclass(frozen=True, slots=True)
class Upload:
    """A sound that is not ready: on its way, or refused.

    :param code: why it was refused, of `audio_assets.intake.Refusal`; `facts` what the sentence needs.
    """

    id: str
    new: NewAsset
    uploader: str
    at_ms: int
    size_bytes: int
    state: AssetState = AssetState.RECEIVED
    code: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


class Assets:
    """The use cases of a sound's life."""

    def __init__(
        self, *, clock: Clock, store: Store, estate: Estate, workshop: Workshop, health: Health, rules: AssetRules
    ) -> None:
        self._clock, self._store, self._estate = clock, store, estate
        self._workshop, self._health, self._rules = workshop, health, rules
        self._assets: dict[str, Asset] = {}
        self._uploads: dict[str, Upload] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._coming = 0
        self._settling = asyncio.Lock()  # a row and its file come and go together

    async def load(self, unsettled: Sequence[bytes] = ()) -> None:
        """What is ready, from the store; call once before anything else.

        :param unsettled: finished files whose row may never have been written; those without one are removed.
        """
        found = await self._store.read(lambda tx: tx.assets.all())
        self._assets = {one.id: one for one in found}
        kept = {one.sha256 for one in found}
        for sha256 in unsettled:
            if sha256 not in kept:
                await self._workshop.forget(sha256)

    # ---- acts -----------------------------------------------------------------------------------------------------------

    def must_be_right(self, new: NewAsset, by: Officer) -> None:
        """Before the first byte of the file is read.

        :raises InvalidRequest, AreaNotGranted, RoleNotGranted, TooManyUploads: nothing was stored.
        """
        may(by, Verb.MANAGE_ASSETS, now_ms=self._clock.now_ms())
        faults = check(new, now_ms=self._clock.now_ms())
        if new.area not in self._estate.tree:
            faults.append(Fault("area", "unknown-area", (("area", new.area),)))
        if faults:
            raise InvalidRequest(faults)
        may(by, Verb.MANAGE_ASSETS, areas=[new.area], now_ms=self._clock.now_ms())
        if self._coming >= self._rules.at_once or len(self._tasks) >= MOST_WAITING:
            raise TooManyUploads(self._rules.at_once)

    async def receive(
        self, new: NewAsset, chunks: AsyncIterable[bytes], *, size_bytes: int | None, by: Officer
    ) -> Upload:
        """Take a file in; when this returns it is whole, and waits to be taken apart.

        :raises SameFile: the library has it. :raises NoRoom, UploadTooLarge: and those of `must_be_right`; nothing was kept.
        """
        self.must_be_right(new, by)
        self._coming += 1
        try:
            received = await self._workshop.receive(chunks, size_bytes=size_bytes)
        finally:
            self._coming -= 1
        new = replace(new, name=clean_name(new.name), licence=new.licence.strip())
        if (same := self._same(received, new)) is not None:
            await self._workshop.drop(received)
            raise SameFile(same.id, same.name)
        upload = Upload(str(ULID()), new, by.name, self._clock.now_ms(), received.size_bytes)
        self._uploads[upload.id] = upload
        self._forget_old()
        task = asyncio.get_running_loop().create_task(self._take_in(upload, received), name=f"sound {upload.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return upload

    async def approve(self, asset: str, sha256: str, *, by: Officer) -> Asset:
        """Say that it may be played (审核): of the file that was listened to, and of no other.

        :raises AnotherSound: what was heard is not what is here. :raises OwnUpload: another person has to.
        """
        was = self._changeable(asset, by, Verb.APPROVE_ASSET)
        if sha256.lower() != was.sha256.hex():
            raise AnotherSound(asset, was.sha256.hex())
        if self._rules.approver_must_differ and was.uploader == by.name:
            raise OwnUpload(asset, by.name)
        if was.is_approved:
            return was
        approved = replace(
            was, approved_by=by.name, approved_ms=self._clock.now_ms(), approved_sha256=was.measured.sha256
        )
        return await self._save(approved, by=by, verb="approve sound")

    async def expire(self, asset: str, expires_ms: int | None, *, by: Officer) -> Asset:
        """Until when it may be used; now or earlier takes it out of use at once.

        :raises InvalidRequest: further away than fifty years.
        """
        was = self._changeable(asset, by, Verb.MANAGE_ASSETS)
        now_ms = self._clock.now_ms()
        faults = check_expiry(expires_ms, now_ms=now_ms)
        if faults and not (expires_ms is not None and 0 <= expires_ms <= now_ms):
            raise InvalidRequest(faults)
        return await self._save(replace(was, expires_ms=expires_ms), by=by, verb="change expiry of sound")

    async def remove(self, asset: str, *, by: Officer) -> None:
        """Delete it, row and file, when nothing is to play it.

        :raises AssetInUse: with what does. An upload that was refused, or waits, is forgotten likewise.
        """
        if asset in self._uploads:
            self._must_see_upload(asset, by)
            self._forget_upload(asset, by)
            return
        was = self._changeable(asset, by, Verb.MANAGE_ASSETS)
        now_ms = self._clock.now_ms()
        async with self._settling:
            twins = [one for one in self._assets.values() if one.sha256 == was.sha256 and one.id != was.id]

            def work(tx: Tx) -> None:
                uses = [] if twins else uses_of(tx, was.sha256, now_ms)
                if uses:
                    raise AssetInUse(asset, uses)
                tx.assets.drop(asset)
                tx.acts.add(ActRow(now_ms, by.name, "delete sound", asset, was.name))

            await self._store.write(work)
            del self._assets[asset]
            if not twins:
                await self._workshop.forget(was.sha256)

    async def housekeep(self) -> None:
        """Warn of sounds in use whose time is over or nearly; call every minute."""
        self._forget_old()
        now_ms = self._clock.now_ms()
        ending = [one for one in self._assets.values() if one.is_expired(now_ms) or one.expires_soon(now_ms)]
        used = []
        if ending:
            used = await self._store.read(lambda tx: [one for one in ending if uses_of(tx, one.sha256, now_ms)])
        if used:
            names = ", ".join(one.name for one in used[:5])
            self._health.raise_("sounds-expire", count=str(len(used)), names=names)
        else:
            self._health.clear("sounds-expire")

    async def close(self) -> None:
        """Give up what is under way; nothing of it stays."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- questions ------------------------------------------------------------------------------------------------------

    def get(self, asset: str, *, by: Officer) -> Asset:
        """One that is ready. :raises UnknownAsset: there is none, or none that this officer may see."""
        found = self._assets.get(asset)
        if found is None or not sees(by, found.area, shared=found.shared):
            raise UnknownAsset(asset)
        return found

    def look(self, asset: str, *, by: Officer) -> Asset | Upload:
        """Likewise, or an upload of one's own area that is not ready."""
        if asset in self._uploads:
            return self._must_see_upload(asset, by)
        return self.get(asset, by=by)

    def page(
        self, *, by: Officer, kind: AssetKind | None = None, before: str | None = None, limit: int = 50
    ) -> list[Asset]:
        """What an officer may see, newest first."""
        found = [
            one
            for one in self._assets.values()
            if sees(by, one.area, shared=one.shared)
            and (kind is None or one.kind is kind)
            and (before is None or one.id < before)
        ]
        return sorted(found, key=lambda one: one.id, reverse=True)[:limit]

    def uploads(self, *, by: Officer) -> list[Upload]:
        """What is not ready, of one's own area, newest first."""
        found = [one for one in self._uploads.values() if sees(by, one.new.area, shared=False)]
        return sorted(found, key=lambda one: one.id, reverse=True)

    async def uses(self, asset: Asset) -> list[Use]:
        """Where it is used now or will be."""
        now_ms = self._clock.now_ms()
        return await self._store.read(lambda tx: uses_of(tx, asset.sha256, now_ms))

    def fault(self, sha256: bytes) -> str:
        """Why a file may not be used anew: the code of a field's fault, or nothing. What was never uploaded has no rules."""
        named = [one for one in self._assets.values() if one.sha256 == sha256]
        if not named:
            return ""
        now_ms = self._clock.now_ms()
        if all(one.is_expired(now_ms) for one in named):
            return "expired-asset"
        if self._rules.only_approved and not any(one.is_approved for one in named):
            return "unapproved-asset"
        return ""

    # ---- inside ---------------------------------------------------------------------------------------------------------

    async def _take_in(self, upload: Upload, received: Received) -> None:
        def begun() -> None:
            self._note(replace(upload, state=AssetState.PROBING))

        try:
            measured = await self._workshop.prepare(received, upload.new.kind, begun)
            new = upload.new
            asset = Asset(
                id=upload.id,
                name=new.name,
                licence=new.licence,
                kind=new.kind,
                area=new.area,
                shared=new.shared,
                uploader=upload.uploader,
                uploaded_ms=upload.at_ms,
                source_sha256=received.sha256,
                source_bytes=received.size_bytes,
                misnamed=misnamed(new.file_name, measured.container),
                measured=measured,
                expires_ms=new.expires_ms,
            )
            await self._keep(asset)
        except SoundRefused as err:
            self._refuse(upload, err.code, err.facts)
        except (StoreUnavailable, StoreRefused) as err:
            self._refuse(upload, "unfinished", {"cause": err.cause})
        except Exception as err:  # a bug of ours must not leave an upload "probing" for ever
            log.exception("sound %s", upload.id)
            self._refuse(upload, "unfinished", {"cause": type(err).__name__})
        else:
            self._uploads.pop(upload.id, None)
        finally:
            await self._workshop.drop(received)

    async def _keep(self, asset: Asset) -> None:
        async with self._settling:
            act = ActRow(asset.uploaded_ms, asset.uploader, "take in sound", asset.id, asset.name)

            def work(tx: Tx) -> None:
                tx.assets.add(asset)
                tx.acts.add(act)

            if not await self._workshop.has(asset.sha256):  # its twin was deleted meanwhile, with the file
                raise SoundRefused("unfinished", {"cause": "deleted"})
            try:
                await self._store.write(work)
            except BroadcastError:
                if not any(one.sha256 == asset.sha256 for one in self._assets.values()):
                    await self._workshop.forget(asset.sha256)
                raise
            self._assets[asset.id] = asset

    async def _save(self, asset: Asset, *, by: Officer, verb: str) -> Asset:
        act = ActRow(self._clock.now_ms(), by.name, verb, asset.id, asset.name)

        def work(tx: Tx) -> None:
            tx.assets.save(asset)
            tx.acts.add(act)

        await self._store.write(work)
        self._assets[asset.id] = asset
        return asset

    def _changeable(self, asset: str, by: Officer, verb: Verb) -> Asset:
        may(by, verb, now_ms=self._clock.now_ms())
        found = self.get(asset, by=by)
        may(by, verb, areas=[found.area], now_ms=self._clock.now_ms())
        return found

    def _same(self, received: Received, new: NewAsset) -> Asset | None:
        return next(
            (
                one
                for one in self._assets.values()
                if (one.source_sha256, one.kind, one.area) == (received.sha256, new.kind, new.area)
            ),
            None,
        )

    def _note(self, upload: Upload) -> None:
        if upload.id in self._uploads:
            self._uploads[upload.id] = upload

    def _refuse(self, upload: Upload, code: str, facts: Mapping[str, Any]) -> None:
        log.info("sound %s of %s refused: %s", upload.id, upload.uploader, code)
        self._note(replace(upload, state=AssetState.REFUSED, code=code, facts=facts))

    def _must_see_upload(self, asset: str, by: Officer) -> Upload:
        upload = self._uploads[asset]
        if not sees(by, upload.new.area, shared=False):
            raise UnknownAsset(asset)
        return upload

    def _forget_upload(self, asset: str, by: Officer) -> None:
        may(by, Verb.MANAGE_ASSETS, now_ms=self._clock.now_ms())
        for task in self._tasks:
            if task.get_name() == f"sound {asset}":
                task.cancel()
        self._uploads.pop(asset, None)

    def _forget_old(self) -> None:
        """Refusals are kept for a day, and not without end."""
        refused = [one for one in self._uploads.values() if one.state is AssetState.REFUSED]
        oldest_ms = self._clock.now_ms() - KEEP_REFUSED_MS
        for upload in sorted(refused, key=lambda one: one.id, reverse=True)[KEEP_REFUSED:]:
            del self._uploads[upload.id]
        for upload in refused:
            if upload.at_ms < oldest_ms:
                self._uploads.pop(upload.id, None)


class UsableSounds:
    """The `Sounds` port with the rules of the library: the file, and whether it may be used anew."""

    def __init__(self, files: Sounds, fault: Callable[[bytes], str]) -> None:
        self._files, self._fault = files, fault

    def find(self, asset: bytes) -> Spoken | None:
        return self._files.find(asset)

    def fault(self, asset: bytes) -> str:
        """The code of a field's fault, or nothing: it is not there, it has expired, nobody approved it."""
        return "unknown-asset" if self._files.find(asset) is None else self._fault(asset)
