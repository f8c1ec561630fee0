"""Writes docs/openapi.json, the description of the API that this server serves: `python -m docs.openapi`."""

import json
from pathlib import Path

from broadcast.web.app import make_api


def main() -> None:
    text = json.dumps(make_api().document(), ensure_ascii=False, indent=1) + "\n"
    Path(__file__).with_name("openapi.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
