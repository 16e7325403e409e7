package core

// The names of failures, and the error type that carries one. Not here: what the system said, which the transport
// adds. Spec: "Results and errors".

// Name is the name of a failure, spelt the same in every language (`result.class`). The constants below are errors,
// to be compared with errors.Is(err, ErrTimeout).
type Name string

// The names, with the one who raises each and when.
const (
	ErrInvalidAddress    Name = "invalid-address"    // Unpack: the text is not an address (`address.reject`)
	ErrInvalidKey        Name = "invalid-key"        // Pack: the key's length does not divide 48 (`address.pack-reject`)
	ErrInvalidPort       Name = "invalid-port"       // Pack, server, client: the port is out of range (`listen.port`)
	ErrMessageNotUTF8    Name = "message-not-utf8"   // server: the message to send is ill-formed (`message.utf8`)
	ErrMessageTooLong    Name = "message-too-long"   // server: over 2^32 - 1 bytes (`message.too-long`)
	ErrInUse             Name = "in-use"             // server: the port or path is taken (`listen.exclusive`)
	ErrRefused           Name = "refused"            // client: nobody listens (`connect.refused`)
	ErrTimeout           Name = "timeout"            // both: a bound has passed (`time.stall` and others)
	ErrIO                Name = "io"                 // both: any other system error
	ErrInvalidConnection Name = "invalid-connection" // both: bad hello, bad echo, a peer of another user
	ErrTruncated         Name = "truncated"          // client: closed or reset inside the frame (`data.truncated`)
	ErrMalformedMessage  Name = "malformed-message"  // client: the message received is ill-formed (`message.utf8`)
	ErrOverLimit         Name = "over-limit"         // client: a declared length is over a limit (`limit.over`)
	ErrUnconfirmed       Name = "unconfirmed"        // server: no orderly end of the client was seen (`close.confirm`)
)

// Error returns the name itself.
func (n Name) Error() string { return string(n) }

// Family returns "usage", "transport" or "protocol".
func (n Name) Family() string {
	switch n {
	case ErrInvalidAddress, ErrInvalidKey, ErrInvalidPort, ErrMessageNotUTF8, ErrMessageTooLong:
		return "usage"
	case ErrInUse, ErrRefused, ErrTimeout, ErrIO:
		return "transport"
	}
	return "protocol"
}

// Error is every failure of this library.
type Error struct {
	Name   Name
	Detail string // for people: what happened, what was expected; nothing of a key, a message or data; no part of the interface
	State  State  // the state of the exchange that failed; empty outside of one
	Cause  error  // what the system said, or nil
}

// Error returns the name and the detail.
func (e *Error) Error() string { return string(e.Name) + ": " + e.Detail }

// Is reports whether target is the error's name.
func (e *Error) Is(target error) bool { return target == e.Name }

// Unwrap returns what the system said.
func (e *Error) Unwrap() error { return e.Cause }
