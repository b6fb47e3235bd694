"""What axe-core finds wrong with a page for who cannot see it, hear it, or hold a mouse.

Separate because it is a program of npm's: where that cannot be had, only these tests are left out.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from playwright.sync_api import Page

from config.launch import node

# By way of the debugger, as the page's own policy lets no script in that it does not serve.
RUN = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id, help, nodes }) =>
    `${id}: ${help}: ${nodes.map(({ target, any }) => `${target} ${any.map(({ message }) => message)}`).join(" | ")}`);
}"""
LIGHT_UP = "() => document.getAnimations().forEach((animation) => animation.finish())"


def serious_faults(page: Page) -> list[str]:
    """Return what axe calls serious or critical on the page as it stands."""
    page.evaluate(_program())
    page.evaluate(LIGHT_UP)  # colours are judged as they stay, not as they fade
    found: list[Any] = page.evaluate(RUN)
    return [str(fault) for fault in found]


@cache
def _program() -> str:
    packages = node.packages()
    if packages is None:
        pytest.skip("THE PAGES ARE NOT HELD AGAINST AXE: there is no npm, or it could not install axe-core")
    return (packages / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
