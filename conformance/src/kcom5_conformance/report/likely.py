"""The texts of likely causes, and which of them stand for others.

A text says "perhaps" or "or" if what was seen allows more than one bug.
"""

EOF_MISSED = "the end of the stream is not noticed: a recv that returns nothing is tried again, or taken for octets"
EIGHT_FIRST = "the magic is compared only when eight octets have arrived, or not at all"
ECHO_LAST = "the echo is compared only when all eight octets have arrived, or not at all"
UNREAD = "it closes with octets unread: the kernel then sends a reset, which destroys data in flight"
NOT_CLOSED = "the call ends with an error and leaves its connection open"
NEEDS_MORE = "perhaps it waits for the stream's end, reads a length as big-endian, or has lost what came with the echo"
ONE_RECV = "one recv per field: the first piece is taken for all of it"
UNCHECKED = "the message is not checked before the socket is opened, or not at all"
NO_HALF_CLOSE = "it does not half-close after the frame: each end waits for the other"
LEFT_OPEN = "the call returns and leaves its connection open"
SEND_OR_CLOSE = "the send, or the wait for the client's end, has no timeout"
SPEAKS_SECOND = "perhaps the client waits for the server to speak first"
MORE_HELLO = "perhaps it waits for more than the eight octets of the hello, or for a line"
ECHO_ANSWER = "perhaps it waits for the client to answer the echo"
BOTH_WRITE = "perhaps it reads what the client says only when all is sent: both ends wait for the other to read"
EXTRA = "octets after the hello are taken for an error"
WHOLE = "T bounds the whole transfer: it starts anew with each octet that moves"
ONE_SEND = "perhaps one send for all the data: the kernel takes a part, and the rest is forgotten at the close"
CUT_SHORT = "perhaps it closes when it sees the client's half-close, with data of its own still to send"
ORDERLY = "an ordinary close after a failure: set SO_LINGER to zero before it, so that it becomes a reset"
TOO_EARLY = "it sends before the hello is there"
NINTH = "exactly eight octets are read: octets that came with the hello are not seen"
NO_ACCEPT = "accept has no timeout, or a longer one"
NO_CONNECT = "connect has no timeout, or a longer one"
NO_HELLO = "the accepted connection has no timeout: T was set on the listening socket only, or nowhere"
NO_ECHO = "the wait for the echo has no timeout"
NO_FRAME = "the wait for the frame has no timeout"
NO_SEND = "the send has no timeout: a client that stops reading blocks it"
NO_CLOSE = "the wait for the client's end has no timeout"
PROGRESS = "octets from the client extend T, or the wait has no timeout: only octets of the frame count"
TOO_LONG = "the message's length is not compared with 2^32 - 1 before a socket is opened"
NAMELESS = "only some failures have a name: each needs its own"
SIGNED = "a data length of 2^63 or more is refused at once, perhaps because a signed number does not hold it"
MAGIC_TAKEN = "the magic is not compared, or only after the echo was sent"
MAGIC_CASE = "the magic is compared without regard to case"
MAGIC_PART = "only a part of the magic is compared"
ECHO_TAKEN = "the echo is not compared"
ECHO_MAGIC = "the echo is not compared beyond the magic"
BIG_MESSAGE = "the message length looks big-endian"
BIG_READ = "the data length is read as big-endian"
DATA_FIRST = "the data come before the message"
NO_EMPTY = "perhaps no message length is sent for an empty message"
BEFORE_ECHO = "octets come before the echo: a greeting, or a length"
OWN_NONCE = "perhaps the server sends a nonce of its own instead of the client's"
OWN_WORDS = "it sends octets of its own: a greeting, or words about a wrong hello"
REFUSES_EMPTY = "an empty message is refused"
REFUSES_RIGHT = "a well-formed message is refused as malformed"
PORT_ZERO = "port 0 is not given to the system, which has to choose a free port for it"
PROBES = "the client closes a connection without a hello: it looks whether somebody listens, or dials again"
ACKNOWLEDGED = "T is counted from the half-close alone: each octet that the client's kernel acknowledges starts it anew"
WILDCARD = "it binds a wildcard address"
MAPPED = "it binds an IPv4-mapped address of an IPv6 socket: each family has a socket of its own"
SERVES_MORE = "it accepts and serves more than one connection"
KEEPS_LISTENING = "the listening socket stays open after the first client was accepted"
PIECES = "T starts anew with each piece, or is not set: the handshake has one deadline"
REPLACED = "the message is not checked for UTF-8: a decoder puts replacement characters (U+FFFD) in it"
OVER_LIMIT = "the limit is not compared with the declared length, or is off by one"
RESET_OK = "perhaps a reset is taken for the client's end"
STRIPS = "white space around the address is stripped"
ADDRESS_NUL = "the address is handled as a C string: it ends at a NUL"
GROUP_PARSER = "perhaps the language's number parser reads the groups: it takes signs, spaces or prefixes, too"
TWO_DIGITS = "a group is not held to exactly two hexadecimal digits"
PACK_PORT = "the port is not compared with 1 and 65535, or is cut to 16 bits first"
PACK_KEY = "the key's length is not checked: it has to divide 48, and not be 0"
TRIES_ON = "a client that is refused tries again until T"
ZERO = "T of zero or less is given to the kernel as it is: there it means at once, here it means never"
MILLISECONDS = "perhaps T is taken for milliseconds: the call ended long before it"
ONE_DEADLINE = "perhaps one deadline for the whole call: T starts anew with each octet of the frame"
TIME_WAIT = "perhaps SO_REUSEADDR is not set before bind: the last connection is in TIME_WAIT"
LARGE_RECV = "the echo is read by one large recv, and what came with it is compared or lost"
PORT_UNCHECKED = "the port is not checked before the socket is opened"
ROUNDED = "perhaps the remaining time is rounded down, or T is measured from an earlier moment"
ANEW = "perhaps T starts anew with each call, where it is one deadline"
ALLOCATED = "the declared length is allocated before the octets arrive"
HELD = "a file is held in memory whole"
DESCRIPTOR = "a descriptor is not closed on one of the ways out"
INHERITED = "SOCK_CLOEXEC, or its like, is not set on a socket: a child that the program starts meanwhile holds it"
MODE = "the socket file's mode is left to the umask, or set after listen"
SIGPIPE = "a write to a connection that is gone raised SIGPIPE: ignore the signal, or set MSG_NOSIGNAL"
MORE_THAN_HELLO = "octets follow the hello: a client sends eight octets and no more"
NOT_CHECKED = "the message is not checked for UTF-8, or by a decoder that takes too much"
LATE_LIMIT = "perhaps a length is not compared with the limit before what it declares is read"
LATE_UTF8 = "the message is checked for UTF-8 only when more has arrived, or not at all"
CLIENT_UNREAD = "perhaps the client closes with octets unread: it read less than was sent"
CLOSE_ENDLESS = "the wait for the client's end has no timeout, or octets from the client extend it"

MISSING_TIMEOUTS = {
    NO_ACCEPT: "accept",
    NO_HELLO: "the hello",
    NO_SEND: "the send",
    NO_CLOSE: "the client's end",
    NO_CONNECT: "connect",
    NO_ECHO: "the echo",
    NO_FRAME: "the frame",
}
"""The causes of this kind, and the wait of each."""
COVERED = {
    PIECES: (NO_HELLO, NO_ECHO),
    PROGRESS: (NO_CLOSE, NO_SEND),
    CLOSE_ENDLESS: (NO_CLOSE,),
    SEND_OR_CLOSE: (NO_CLOSE, NO_SEND),
    LATE_UTF8: (NOT_CHECKED, REPLACED),
    NOT_CHECKED: (REPLACED,),
    MAGIC_CASE: (MAGIC_TAKEN,),
    MAGIC_PART: (MAGIC_TAKEN,),
    ECHO_LAST: (ECHO_TAKEN,),
    ECHO_MAGIC: (ECHO_TAKEN,),
    EOF_MISSED: (PROBES,),
    OWN_NONCE: (BEFORE_ECHO,),
    OWN_WORDS: (BEFORE_ECHO,),
    TOO_EARLY: (BEFORE_ECHO,),
    NO_EMPTY: (DATA_FIRST,),
    BIG_MESSAGE: (DATA_FIRST,),
    NEEDS_MORE: (BIG_READ,),
    CLIENT_UNREAD: (BIG_READ,),
    ONE_DEADLINE: (BIG_READ, NEEDS_MORE),
}
"""Causes whose failures a simpler bug has, too. If one of those behind a cause was found, it stands for it."""
