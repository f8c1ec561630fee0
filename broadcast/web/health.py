"""For machines that watch: /healthz (the process lives), /readyz (it can do its work, and why not), /metrics (Prometheus)."""

from collections.abc import Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from broadcast.service.latency import BOUNDS_S, Histogram
from broadcast.service.presence import Presence
from broadcast.web.events import STREAMS, Streams
from broadcast.web.services import SERVICES, Services
from endpoints.area_codes import TOWNSHIP, padded, significant

BLOCKING = frozenset({"broker-down", "store-unavailable", "fenced-off"})


async def healthz(_: web.Request) -> web.Response:
    """The event loop turns."""
    return web.json_response({"alive": True})


async def readyz(request: web.Request) -> web.Response:
    """200 when a broadcast would go out now; 503 with the reasons otherwise."""
    services = request.app[SERVICES]
    reasons = [one.name for one in services.health.conditions if one.name in BLOCKING]
    if not services.wire_up() and "broker-down" not in reasons:
        reasons.append("broker-down")
    others = [one.name for one in services.health.conditions if one.name not in BLOCKING]
    body = {"ready": not reasons, "reasons": reasons, "conditions": others}
    return web.json_response(body, status=503 if reasons else 200)


async def metrics(request: web.Request) -> web.Response:
    """Labels go down to townships, never to villages: 690 of them would be 690 series each."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(request.app[SERVICES], request.app[STREAMS]))
    text = generate_latest(registry)
    return web.Response(body=text, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def add_to(app: web.Application) -> None:
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


class _Figures(Collector):
    def __init__(self, services: Services, streams: Streams) -> None:
        self._services, self._streams = services, streams

    def collect(self) -> Iterator[Metric]:
        yield self._speakers()
        yield self._shelves()
        yield self._counters()
        yield from self._gauges()
        about = "Seconds from a broadcast's beginning to the report of the first speaker that sounds"
        yield _histogram("lianbo_first_sound_seconds", about, self._services.latency.first)
        about = "Seconds from a broadcast's beginning to the report of the last speaker that sounds"
        yield _histogram("lianbo_last_sound_seconds", about, self._services.latency.last)

    def _speakers(self) -> Metric:
        family = GaugeMetricFamily(
            "lianbo_speakers", "Speakers by township and presence", labels=["township", "presence"]
        )
        counts: dict[tuple[str, str], int] = {}
        for speaker in self._services.estate.speakers.values():
            township = padded(significant(speaker.area)[:TOWNSHIP])
            for presence in Presence:
                counts.setdefault((township, presence.value), 0)
            counts[township, self._services.speakers.status(speaker.id).presence.value] += 1
        for (township, presence_word), count in sorted(counts.items()):
            family.add_metric([township, presence_word], count)
        return family

    def _shelves(self) -> Metric:
        family = GaugeMetricFamily(
            "lianbo_staging", "Speakers by township and what they hold of the programme", labels=["township", "state"]
        )
        for city in self._services.estate.tree.cities:
            for one in self._services.planning.staging.townships(city.code):
                states = {
                    "complete": one.complete,
                    "lacking": one.lacking,
                    "behind": one.behind,
                    "unknown": one.unknown,
                }
                for state, count in states.items():
                    family.add_metric([one.code, state], count)
        return family

    def _counters(self) -> Metric:
        family = CounterMetricFamily("lianbo_events", "What was counted since the start", labels=["event"])
        for name, count in sorted(self._services.health.counters.items()):
            family.add_metric([name], count)
        return family

    def _alarms(self) -> Metric:
        family = GaugeMetricFamily("lianbo_alarms_sounding", "Alarms that nobody has acknowledged", labels=["rank"])
        for rank, count in self._services.watch.alarms.sounding.items():
            family.add_metric([rank.name.lower()], count)
        return family

    def _gauges(self) -> Iterator[Metric]:
        services = self._services
        yield GaugeMetricFamily("lianbo_broker_connected", "1 while connected to the broker", int(services.wire_up()))
        live = len(services.broadcasts.live())
        yield GaugeMetricFamily("lianbo_live_broadcasts", "Broadcasts that are live", live)
        pending = services.boards.pending + services.planning.boards.pending
        yield GaugeMetricFamily("lianbo_pending_boards", "Boards that the broker does not have yet", pending)
        watch = services.watch
        age_s = (services.clock.now_ms() - watch.backups.last_ms) / 1000 if watch.backups.last_ms else float("nan")
        yield GaugeMetricFamily("lianbo_backup_age_seconds", "Since the last good backup; NaN: there is none", age_s)
        yield self._alarms()
        yield GaugeMetricFamily("lianbo_event_streams", "Open windows that follow the wall", self._streams.count)
        family = GaugeMetricFamily("lianbo_condition", "1 for each thing that is wrong now", labels=["name"])
        for condition in services.health.conditions:
            family.add_metric([condition.name], 1)
        yield family


def _histogram(name: str, about: str, kept: Histogram) -> Metric:
    total, buckets = 0, []
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), kept.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return HistogramMetricFamily(name, about, buckets=buckets, sum_value=kept.sum_s)
