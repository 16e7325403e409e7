"""The base of all mutants, and their registry."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from reference_peer import ReferencePeer

ROLES = {"send": "server", "receive": "client"}


class Mutant(ReferencePeer):
    """The base of all mutants: the rule, the role in which they break it, and what a user meets."""

    registry: ClassVar[dict[str, type[Mutant]]] = {}
    rule = ""
    role = ""
    effect = ""

    def __init_subclass__(cls) -> None:
        cls.registry[re.sub("(?<!^)(?=[A-Z])", "-", cls.__name__).lower()] = cls

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """It is correct in every other role."""
        is_wrong = request["op"] == "about" or ROLES.get(request["op"], "address") == self.role
        return super().answer(request) if is_wrong else ReferencePeer().answer(request)
