package core

// ServerExchange and ClientExchange: the two state machines. Bytes and events go in; the state, the bytes to send and
// the error come out. Not here: sockets, clocks, and the data itself, which goes past them. Spec: "States".

import (
	"encoding/binary"
	"unicode/utf8"
)

// machine has the parts that the two exchanges share. A zero machine has no state and ignores all events.
type machine struct {
	table       table
	state       State
	isServer    bool
	isConfirmed bool
	consumed    uint64
	start       uint64 // of the present field, in the peer's bytes
	size        uint64 // of the present field
	field       []byte // the bytes of it that arrived, except data; it grows with them (`limit.memory`)
	expected    string // the prefix that the first field must have
	why         string // why a field is wrong
	place       string // where the server listens, for error texts
	bound       string // the timeout, for the same
	err         error
}

// State returns the present state. An exchange has succeeded exactly if it is Done.
func (m *machine) State() State { return m.state }

// Consumed returns the number of the peer's bytes that have been looked at, the first wrong one included.
func (m *machine) Consumed() uint64 { return m.consumed }

// Err returns the failure, an *Error, or nil before one.
func (m *machine) Err() error { return m.err }

// Describe sets how error texts name the server's place and the timeout, such as "[::1]:13600" and "150 s".
func (m *machine) Describe(place, timeout string) { m.place, m.bound = place, timeout }

// String returns the state, and nothing of a message.
func (m machine) String() string { return "exchange in the state " + string(m.state) }

// GoString returns the same, for %#v.
func (m machine) GoString() string { return m.String() }

// On takes an event and returns the action to perform. It takes the exported events only: Feed makes the others.
func (m *machine) On(event Event) Action {
	if event == whole || event == wrong || event == over {
		return Nothing
	}
	return m.take(event)
}

// RefusePeer fails the exchange because the peer runs as another user (`unix.owner`).
func (m *machine) RefusePeer() { m.take(wrong) }

func (m *machine) take(event Event) Action {
	cell := m.table.at(m.state, event)
	if cell.next == "" {
		return Nothing
	}
	if cell.fail != "" {
		m.err = &Error{Name: cell.fail, Detail: m.detail(event), State: m.state}
	}
	m.isConfirmed = cell.do == Confirm
	m.state = cell.next
	return cell.do
}

// takeFirst takes a byte of hello or echo, and reports whether it is the right one.
func (m *machine) takeFirst(octet byte) bool {
	m.field = append(m.field, octet)
	m.consumed++
	at := len(m.field)
	if at > HelloSize || at <= len(m.expected) && octet != m.expected[at-1] {
		m.why = m.wrongFirst(at)
		return false
	}
	return true
}

// newMachine returns a machine that awaits a hello or an echo.
func newMachine(table table, state State, expected string) machine {
	return machine{table: table, state: state, isServer: state == Listening, size: HelloSize, expected: expected,
		place: "the server's place", bound: "T s"}
}

// ServerExchange is the server's end of one exchange. NewServerExchange makes one; nothing happens to a zero one.
type ServerExchange struct {
	machine
	message    string
	dataLength uint64
}

// NewServerExchange returns one in the state Listening. The message has passed CheckMessage.
func NewServerExchange(message string, dataLength uint64) *ServerExchange {
	return &ServerExchange{newMachine(serverTable, Listening, Magic), message, dataLength}
}

// Confirmed reports whether the client confirmed that it has everything: its orderly end came after the half-close.
// Success without it means that the client's kernel took every byte (`close.confirm`).
func (x *ServerExchange) Confirmed() bool { return x.isConfirmed }

// Feed takes all bytes of the client that have arrived. A ninth byte is not a hello (`hello.alone`), and a wrong one
// fails at once (`hello.reject-early`). After the hello they are discarded (`close.extra`).
func (x *ServerExchange) Feed(octets []byte) Action {
	if x.state != Hello {
		return Nothing
	}
	for _, octet := range octets {
		if !x.takeFirst(octet) {
			return x.take(wrong)
		}
	}
	if len(x.field) < HelloSize {
		return Nothing
	}
	return x.take(whole)
}

// Head returns the echo and the frame up to its data, to send on SendEchoAndFrame (`echo.exact`).
func (x *ServerExchange) Head() []byte {
	head := make([]byte, 0, HelloSize+lengthSize+len(x.message)+dataLengthSize)
	return appendHead(append(head, x.field...), x.message, x.dataLength)
}

// ClientExchange is the client's end of one exchange. It parses echo and head, and counts the bytes of the data.
// NewClientExchange makes one; nothing happens to a zero one.
type ClientExchange struct {
	machine
	limits  Limits
	message string
	length  uint64 // of the data
}

// NewClientExchange returns one in the state Connecting.
func NewClientExchange(nonce [3]byte, limits Limits) *ClientExchange {
	return &ClientExchange{machine: newMachine(clientTable, Connecting, Magic+string(nonce[:])), limits: limits}
}

// Hello returns the bytes to send on SendHello, the only bytes that a client sends (`hello.form`).
func (x *ClientExchange) Hello() []byte { return []byte(x.expected) }

// Needed returns the number of bytes that the present field still lacks, in Data those of the data. Zero in Data means
// that everything has arrived, and must be delivered.
func (x *ClientExchange) Needed() uint64 { return x.start + x.size - x.consumed }

// Message returns the message. It is valid from DataLength on; show it only when Done (`result.message`).
func (x *ClientExchange) Message() string { return x.message }

// DataLength returns the declared number of bytes; valid from Data on.
func (x *ClientExchange) DataLength() uint64 { return x.length }

// Feed takes bytes of the server and returns how many belong to echo and head; the others are data (`frame.segments`).
// It stops in Data, with Needed() 0 if there is none.
func (x *ClientExchange) Feed(octets []byte) int {
	taken := 0
	for x.inHead() {
		if need := x.Needed(); need > 0 {
			if taken == len(octets) {
				return taken
			}
			if x.state == Echo { // the first wrong byte decides (`echo.mismatch`)
				taken++
				if !x.takeFirst(octets[taken-1]) {
					x.take(wrong)
				}
				continue
			}
			size := len(octets) - taken
			if uint64(size) > need {
				size = int(need)
			}
			x.field = append(x.field, octets[taken:taken+size]...)
			x.consumed += uint64(size)
			taken += size
		}
		if x.Needed() == 0 {
			x.take(x.judge())
		}
	}
	return taken
}

// Arrived records that size bytes of the data arrived, at most Needed, and returns Deliver with the last (`data.end`).
// For empty data call it with 0. The state stays Data until Delivered, or until an event says that storing failed.
func (x *ClientExchange) Arrived(size uint64) Action {
	x.consumed += size
	if x.Needed() > 0 {
		return Nothing
	}
	return x.take(whole)
}

// Delivered records that everything is stored, which ends the exchange with success. Before Deliver it does nothing.
func (x *ClientExchange) Delivered() {
	if x.state == Data && x.Needed() == 0 {
		x.state = Done
	}
}

func (x *ClientExchange) inHead() bool {
	return x.state == Echo || x.state == MessageLength || x.state == Message || x.state == DataLength
}

// judge checks the complete field, prepares the next one, and returns the event.
func (x *ClientExchange) judge() Event {
	field := x.field
	x.field, x.start = nil, x.consumed
	switch x.state {
	case Echo:
		x.size = lengthSize
	case MessageLength:
		x.size = uint64(binary.LittleEndian.Uint32(field))
		return x.within(x.limits.Message, "message")
	case Message:
		x.message, x.size = string(field), dataLengthSize
		if !utf8.ValidString(x.message) {
			x.why = "the message received is not valid UTF-8"
			return wrong
		}
	case DataLength:
		x.size = binary.LittleEndian.Uint64(field)
		x.length = x.size
		return x.within(x.limits.Data, "data")
	}
	return whole
}

// within returns the event for a declared length.
func (x *ClientExchange) within(limit uint64, what string) Event {
	if x.size > limit {
		x.why = "got a " + what + " length of " + count(x.size) + ", expected at most " + count(limit)
		return over
	}
	return whole
}
