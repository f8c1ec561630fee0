"""One browser for a module; a town for each test."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.town import Town, town
from tests.web.console.console_page import chromium


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def there() -> AsyncIterator[Town]:
    """Everybody is online."""
    async with town() as one:
        one.all_there()
        yield one
