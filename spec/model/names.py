"""The names that the model, its configurations and its reports share."""

from __future__ import annotations

SEND_BUFFER = 2  # octets that the server's system keeps until they are acknowledged; for the client's, see Config.room

TRANSPORTS = ("LINUX", "WINDOWS", "UNIX")
CLIENTS = ("ORDINARY_CLIENT", "HALF_CLOSING", "EXTRA", "NINTH", "STOPPING", "DISHONEST")
SERVERS = (
    "ORDINARY_SERVER",
    "WRONG_ECHO",
    "TRUNCATING",
    "OVER",
    "OVER_DATA",
    "ILL_FORMED",
    "TALKS_ON",
    "STOPS",
    "BUSY",
    "FULL",
)
# What may go wrong, at any moment.
FAULTS = ("F_STORE", "F_C_FAILS", "F_C_CANCELS", "F_C_KILLED", "F_S_FAILS", "F_S_CANCELS", "F_S_KILLED", "F_OTHER_USER")

# Rules of the text beside the tables, that the model can leave out.
RULES = {
    "R_ABORT": "close.abort: an end that fails resets the connection",
    "R_LINGER": "close.abort: a client that is killed resets it, too (linger zero)",
    "R_HOLD_BACK": "close.abort: on a Unix-domain socket the last octet stays unread until everything is stored",
    "R_KEEP": "close.keep: nothing is reset after the half-close",
    "R_READ_AWAY": "close.keep: what is unread is read away before the close, which would be a reset",
    "R_STORE_FIRST": "close.last: the client stores before it closes",
    "R_HALF_LAST": "close.last: the client does not half-close before it has stored everything",
    "R_LOOK_FIRST": "States: the server looks for the end before the last octet, and half-closes at once after it",
    "R_SOCKET_ERROR": "close.confirm: an end confirms only if the socket holds no error",
    "R_UNACKED": "close.confirm: an end confirms only if everything is acknowledged",
    "R_ARRIVED_FIRST": "States: octets that arrived before an end or a reset are looked at before it",
    "R_LAST_LOOK": "time.late: when a bound has passed an end looks once more, and what is there counts",
    "R_CHATTER": "Time: octets from the client do not extend a bound",
}
ALL_RULES = (1 << len(RULES)) - 1

# What holds, and what it is assumed of.
PROPERTIES = {
    "CONFIRMED": (
        "a server that is confirmed has a client that delivered everything",
        "a client that keeps the rules and does not half-close early; any transport, fault or kill",
    ),
    "SYSTEM_HAS_ALL": ("a server that is confirmed has a client whose system has everything", "any client"),
    "END_CONFIRMS": (
        "only an end that is seen after the half-close, with everything acknowledged, confirms",
        "any client",
    ),
    "OCTETS": ("a client that succeeds has delivered the octets that were sent, and no others", "any server"),
    "NEVER_BOTH": ("a client that failed delivered nothing, and its server is never confirmed", "as CONFIRMED"),
    "SYNC": ("a server that succeeds has given every octet to its system", "any client"),
    "ACKNOWLEDGED": ("a server that succeeds has every octet acknowledged, where the system tells", "any client"),
    "SILENT": ("a server sends nothing after a wrong hello", "any client"),
    "GOES_WELL": (
        "both ends succeed, and the server is confirmed unless the client half-closes early",
        "both keep the rules, nothing fails, no bound passes",
    ),
    "KEPT": (
        "after the server's half-close the client succeeds, whatever happens to the server",
        "a client that sends nothing after that half-close, and has no fault or timeout of its own",
    ),
    "TIMED_OUT": (
        "an end that times out has looked once more since its bound passed, and found nothing",
        "T is positive",
    ),
    "ONCE": ("hello, answer, half-close, confirmation and delivery are each done at most once", "always"),
    "NAME": ("a failure has the name that the table of errors gives it", "always"),
    "ENDS": ("both calls return", "T is positive"),
    "TICKS": ("no wait is restarted for ever", "T is positive; the connection moves octets within T"),
    "WAITS": ("who waits for ever waits for a peer that is silent, or for nobody", "T is zero"),
}

# The steps of the world.
DEEDS = (
    "NONE",
    "SERVER",
    "CLIENT",
    "READS",
    "ARRIVES",
    "LISTENS",
    "WRITES",
    "SERVER_KILLED",
    "SERVER_LEAVES",
    "SERVER_RESETS",
    "SERVER_STOPS",
    "LISTENER_CLOSES",
    "TICK",
    "CALLS",
    "CONNECTS",
    "CLOSES",
    "RESETS",
    "STORES",
    "CLIENT_KILLED",
    "EXTRA",
    "HALF_CLOSES",
    "CLIENT_STOPS",
    "SENDS",
    "SENDS_WRONG",
    "TAKES",
)

# What edits may bring in that the tables do not have.
ACTIONS = ("send hello", "send echo and frame", "half-close", "confirm", "deliver")
ERRORS = (
    "io",
    "timeout",
    "refused",
    "invalid-connection",
    "truncated",
    "over-limit",
    "malformed-message",
    "unconfirmed",
)
