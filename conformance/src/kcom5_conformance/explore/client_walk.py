"""What the spec allows a client. The suite is the server."""

from __future__ import annotations

from .fields import Fields
from .script import Octets, Step
from .walk import Expected, Walk


class ClientWalk(Walk):
    """The client under test; the suite is the server."""

    def walk(self) -> Expected:
        script, found = self.script, self.found
        if script.port is not None and not 1 <= script.port <= 65535:
            return self.decide("listen.port", "invalid-port")
        if script.steps == (("nobody",),):
            return self.decide("connect.refused", self.take("refused"))
        if script.steps == (("full",),):
            return self.late("time.connect")
        if script.steps[:1] != (("unread",),):
            self.take("connected")
        self.fields = Fields(script)
        for self.at, step in enumerate(script.steps):
            kind = step[0]
            if kind in ("send", "fill"):
                octets = step[1] if kind == "send" else Octets(step[1], step[2])
                if ended := self._arrive(octets):
                    return ended
            elif kind == "stall" or (step == ("pause", "most") and self.wait()):
                return self.late(self._time_rule())
            elif kind in ("half-close", "close"):
                return self._ended(kind)
            elif kind == "reset":
                return self._reset()
        found.path.append((self.state, "timeout"))
        return self.decide("time.stall", "timeout")  # an unfinished script can only time out

    def _time_rule(self) -> str:
        return "time.handshake" if self.state in ("connecting", "echo") else "time.stall"

    def _arrive(self, octets: bytes | Octets) -> Expected | None:
        for event in self.fields.feed(octets):
            before = self.state
            error = self.take(event)
            if error:
                rule = {"echo": "echo.mismatch", "message": "message.utf8"}.get(before, "limit.over")
                return self.decide(rule, error)
            if self.state == "done":
                return self._done()
        if self.state not in ("connecting", "echo"):
            self.begin_bound(self.at)
        return None

    def _done(self) -> Expected:
        found, rest = self.found, self.script.steps[self.at + 1 :]
        found.message, found.data = self.fields.message.decode(), self.fields.data
        found.outcomes["ok"] = ""
        if any(step[0] == "reset" for step in rest):
            # A reset may destroy data that had arrived, so the outcome of any prefix is allowed.
            found.outcomes |= {"truncated": "", "invalid-connection": ""}
        return self.decide(self._rule_of_success(rest), "ok")

    def _rule_of_success(self, rest: tuple[Step, ...]) -> str:
        """Returns the rule that a right script demonstrates."""
        script, fields = self.script, self.fields
        if fields.surplus or any(step[0] in ("send", "fill") for step in rest):
            return "data.end"
        if ("pause", "most") in script.steps:
            return "time.slow" if script.is_limited else "time.never" if script.close <= 0 else "time.bounds"
        if script.close <= 0:
            return "time.never"
        sizes = [len(step[1]) for step in script.steps if step[0] == "send"]
        if len(sizes) > 1:
            return "echo.segments" if sizes[0] < 8 else "frame.segments"
        if any(limit is not None for limit in script.limits):
            return "limit.over"
        if fields.message:
            return "message.utf8"
        return "data.opaque" if fields.size else "data.length"

    def _ended(self, kind: str) -> Expected:
        before = self.state
        error = self.take("end")
        rule = "echo.mismatch" if before in ("connecting", "echo") else "data.truncated"
        if before == "message" and not self.fields.may_become_utf8:
            return self.decide(rule, error, "malformed-message")
        return self.decide(rule, error)

    def _reset(self) -> Expected:
        before = self.state
        error = self.take("reset")
        if before in ("connecting", "echo"):
            return self.decide("echo.mismatch", error)
        return self.decide("data.truncated", error, "invalid-connection")
