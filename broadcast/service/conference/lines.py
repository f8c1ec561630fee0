"""What is said to the pages of sites beside their state: candidates, and that they have to negotiate again."""

import asyncio

MOST_WAITING = 200  # a page that reads nothing for so long negotiates anew


class Lines:
    """The open connections of sites, by conference and site; a site may have several."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], list[asyncio.Queue[dict[str, object]]]] = {}

    def open(self, conference: str, site: str) -> asyncio.Queue[dict[str, object]]:
        line: asyncio.Queue[dict[str, object]] = asyncio.Queue(MOST_WAITING)
        self._open.setdefault((conference, site), []).append(line)
        return line

    def close(self, conference: str, site: str, line: asyncio.Queue[dict[str, object]]) -> None:
        lines = self._open.get((conference, site), [])
        if line in lines:
            lines.remove(line)
        if not lines:
            self._open.pop((conference, site), None)

    def tell(self, conference: str, site: str, message: dict[str, object]) -> None:
        """Empty site: everybody in it."""
        for (room, name), lines in self._open.items():
            if room == conference and site in ("", name):
                for line in lines:
                    if line.full():
                        line.get_nowait()
                    line.put_nowait(message)

    def renegotiate(self, conference: str, site: str) -> None:
        """Its view; or, for everybody, everything: the engine is a new one."""
        self.tell(conference, site, {"type": "renegotiate", "links": ["view"] if site else "all"})
