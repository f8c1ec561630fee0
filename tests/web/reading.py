"""Reading a page as a person would: a tree of its elements by the standard library alone."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])


@dataclass
class Node:
    """One element."""

    tag: str
    attributes: dict[str, str]
    above: "Node | None" = None
    inside: "list[Node | str]" = field(default_factory=list)

    def get(self, name: str, default: str = "") -> str:
        return self.attributes.get(name, default)

    def has(self, name: str) -> bool:
        return name in self.attributes

    def walk(self) -> "Iterator[Node]":
        yield self
        for child in self.inside:
            if isinstance(child, Node):
                yield from child.walk()

    def all(self, tag: str = "", /, like: "Callable[[Node], bool] | None" = None, **attributes: str) -> "list[Node]":
        """Those of that tag whose attributes hold these words: `kind="x"` finds `kind="a x b"`, `href="/stop"` finds a part."""
        found = [node for node in self.walk() if not tag or node.tag == tag]
        for name, part in attributes.items():
            found = [node for node in found if part in node.get(name.strip("_").replace("_", "-"), "\0")]
        return [node for node in found if like is None or like(node)]

    def one(self, tag: str = "", /, like: "Callable[[Node], bool] | None" = None, **attributes: str) -> "Node":
        found = self.all(tag, like, **attributes)
        assert len(found) == 1, (tag, attributes, len(found))
        return found[0]

    @property
    def words(self) -> str:
        parts = [part if isinstance(part, str) else part.words for part in self.inside]
        return re.sub(r"\s+", " ", "".join(parts)).strip()

    @property
    def is_within_label(self) -> bool:
        return self.tag == "label" or (self.above is not None and self.above.is_within_label)

    @property
    def is_ticked_or_not(self) -> bool:
        return self.get("type") in ("checkbox", "radio")

    def fields(self) -> list[tuple[str, str]]:
        """What a browser would send of this form when nobody touches it."""
        pairs = []
        for node in self.walk():
            if node.tag == "textarea":
                text = "".join(part for part in node.inside if isinstance(part, str))
                pairs.append((node.get("name"), text.removeprefix("\n")))
            elif node.tag == "select":
                options = node.all("option")
                chosen = [one for one in options if one.has("selected")] or (
                    [] if node.has("multiple") else options[:1]
                )
                pairs += [(node.get("name"), one.get("value")) for one in chosen]
            elif node.tag == "input" and node.get("name") and (not node.is_ticked_or_not or node.has("checked")):
                pairs.append((node.get("name"), node.get("value")))
        return pairs


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = self.at = Node("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs}, self.at)
        self.at.inside.append(node)
        if tag not in VOID:
            self.at = node

    def handle_endtag(self, tag: str) -> None:
        at: Node | None = self.at
        while at is not None and at.tag != tag:
            at = at.above
        assert at is not None and at is self.at, f"</{tag}> closes <{self.at.tag}>"
        self.at = at.above or self.root

    def handle_data(self, data: str) -> None:
        self.at.inside.append(data)


def read(text: str) -> Node:
    """The page; elements that are not closed in order are refused, since browsers would guess."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader.at is reader.root, reader.at.tag
    return reader.root
