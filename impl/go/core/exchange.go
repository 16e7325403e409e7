package core

// ServerExchange and ClientExchange: the two state machines. Octets and events go in; the state, the octets to send and
// the error come out. Not here: sockets, clocks, and the data itself, which goes past them. Spec: "States".

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// State is a state of either end, by its name in the spec.
type State string

// The states of the spec's tables.
const (
	Listening     State = "listening"
	Hello         State = "hello"
	Sending       State = "sending"
	HalfClosed    State = "half-closed"
	Confirming    State = "confirming"
	Connecting    State = "connecting"
	Echo          State = "echo"
	MessageLength State = "message-length"
	Message       State = "message"
	DataLength    State = "data-length"
	Data          State = "data"
	Done          State = "done"
	Failed        State = "failed"
)

// Event is what happens to an end, by its name in the spec.
type Event string

// The events of the spec's tables.
const (
	Connected Event = "connected" // a connection exists
	Refused   Event = "refused"   // nobody listens, or the connection is to itself
	More      Event = "more"      // octets arrived and the field is not complete
	Whole     Event = "whole"     // the field is complete, and valid
	Wrong     Event = "wrong"     // the field cannot become valid, or the peer is another user's
	Over      Event = "over"      // a declared length is over the limit
	Sent      Event = "sent"      // the system has taken the last octet of the frame
	End       Event = "end"       // the peer closed or half-closed
	Reset     Event = "reset"     // the peer reset
	Timeout   Event = "timeout"   // the bound of the state has passed
	Failure   Event = "failure"   // any other system error
)

// Action is what the transport is to do, by its words in the spec.
type Action string

// The actions of the spec's tables.
const (
	Nothing          Action = ""
	SendHello        Action = "send hello"
	SendEchoAndFrame Action = "send echo and frame"
	HalfClose        Action = "half-close"
	Deliver          Action = "deliver"
)

type cell struct {
	do   Action
	next State // unless fail
	fail Name
}

type table map[State]map[Event]cell

func fail(name Name) cell { return cell{next: Failed, fail: name} }

// What is not in a table does nothing, and the state stays.
var serverTable = table{
	Listening: {Connected: {next: Hello}, Wrong: fail(ErrInvalidConnection), Timeout: fail(ErrTimeout),
		Failure: fail(ErrIO)},
	Hello: {Whole: {do: SendEchoAndFrame, next: Sending}, Wrong: fail(ErrInvalidConnection),
		End: fail(ErrInvalidConnection), Reset: fail(ErrInvalidConnection), Timeout: fail(ErrTimeout),
		Failure: fail(ErrIO)},
	Sending: {Sent: {do: HalfClose, next: Confirming}, End: {next: HalfClosed}, Reset: fail(ErrUnconfirmed),
		Timeout: fail(ErrTimeout), Failure: fail(ErrIO)},
	HalfClosed: {Sent: {do: HalfClose, next: Done}, Reset: fail(ErrUnconfirmed), Timeout: fail(ErrTimeout),
		Failure: fail(ErrIO)},
	Confirming: {End: {next: Done}, Reset: fail(ErrUnconfirmed), Timeout: fail(ErrUnconfirmed), Failure: fail(ErrIO)},
	Done:       {},
	Failed:     {},
}

var clientTable = table{
	Connecting: {Connected: {do: SendHello, next: Echo}, Refused: fail(ErrRefused), Wrong: fail(ErrInvalidConnection),
		Timeout: fail(ErrTimeout), Failure: fail(ErrIO)},
	Echo: {Whole: {next: MessageLength}, Wrong: fail(ErrInvalidConnection), End: fail(ErrInvalidConnection),
		Reset: fail(ErrInvalidConnection), Timeout: fail(ErrTimeout), Failure: fail(ErrIO)},
	MessageLength: {Whole: {next: Message}, Over: fail(ErrOverLimit), End: fail(ErrTruncated), Reset: fail(ErrTruncated),
		Timeout: fail(ErrTimeout), Failure: fail(ErrIO)},
	Message: {Whole: {next: DataLength}, Wrong: fail(ErrMalformedMessage), End: fail(ErrTruncated),
		Reset: fail(ErrTruncated), Timeout: fail(ErrTimeout), Failure: fail(ErrIO)},
	DataLength: {Whole: {next: Data}, Over: fail(ErrOverLimit), End: fail(ErrTruncated), Reset: fail(ErrTruncated),
		Timeout: fail(ErrTimeout), Failure: fail(ErrIO)},
	Data: {Whole: {do: Deliver, next: Done}, End: fail(ErrTruncated), Reset: fail(ErrTruncated), Timeout: fail(ErrTimeout),
		Failure: fail(ErrIO)},
	Done:   {},
	Failed: {},
}

// machine is what the two exchanges have in common.
type machine struct {
	table    table
	state    State
	consumed uint64
	start    uint64 // of the present field, in the peer's octets
	size     uint64 // of the present field
	field    []byte // what has arrived of it, but for the data; it grows with that (`limit.memory`)
	expected string // what the first field has to begin with
	why      string // what is wrong with a field
	err      error
}

// State is the present state.
func (m *machine) State() State { return m.state }

// Consumed is the number of the peer's octets that have been looked at, the first wrong one included.
func (m *machine) Consumed() uint64 { return m.consumed }

// Err is the failure, an *Error, or nil before one.
func (m *machine) Err() error { return m.err }

// On takes an event and gives what is to be done. Octets come by Feed, which makes the events of fields itself.
func (m *machine) On(event Event) Action {
	cell, found := m.table[m.state][event]
	if !found {
		return Nothing
	}
	if cell.fail != "" {
		m.err = &Error{Name: cell.fail, Detail: m.detail(event)}
	}
	m.state = cell.next
	return cell.do
}

var awaited = map[State]string{Listening: "a client", Sending: "the client to take the rest",
	HalfClosed: "the client to take the rest", Confirming: "the client to close", Connecting: "a server"}

var instead = map[Event]string{Refused: "nobody", Wrong: "one of another user", End: "the end", Reset: "a reset",
	Timeout: "nothing within T", Failure: "a system error"}

// detail says what was expected, and what came instead. There is no clock here: the bound is "T".
func (m *machine) detail(event Event) string {
	if m.why != "" {
		return m.why
	}
	if what, found := awaited[m.state]; found {
		return "expected " + what + ", got " + instead[event]
	}
	came, name := count(m.consumed-m.start), strings.ReplaceAll(string(m.state), "-", " ")
	if m.state == Hello || m.state == Echo {
		came += " (" + strconv.QuoteToASCII(string(m.field)) + ")"
	}
	return "expected " + count(m.size) + " octets of the " + name + ", got " + came + " and then " + instead[event]
}

// takeFirst takes an octet of hello or echo, and tells whether it is the right one.
func (m *machine) takeFirst(octet byte) bool {
	m.field = append(m.field, octet)
	m.consumed++
	at := len(m.field)
	if at > HelloSize || at <= len(m.expected) && octet != m.expected[at-1] {
		m.why = "octet " + strconv.Itoa(at) + " of the " + string(m.state) + ": expected 8 octets that begin with " +
			strconv.QuoteToASCII(m.expected) + ", got " + strconv.QuoteToASCII(string(m.field))
		return false
	}
	return true
}

func count(number uint64) string { return strconv.FormatUint(number, 10) }

// ServerExchange is the server's end of one exchange.
type ServerExchange struct {
	machine
	message    string
	dataLength uint64
}

// NewServerExchange is in the state Listening. The message has passed CheckMessage.
func NewServerExchange(message string, dataLength uint64) *ServerExchange {
	m := machine{table: serverTable, state: Listening, size: HelloSize, expected: Magic}
	return &ServerExchange{m, message, dataLength}
}

// Feed looks at octets of the client, all that have arrived: a ninth octet is no hello (`hello.alone`), and a wrong one
// is seen at once (`hello.reject-early`). After the hello they are thrown away (`close.extra`).
func (x *ServerExchange) Feed(octets []byte) Action {
	if x.state != Hello {
		return x.On(More)
	}
	for _, octet := range octets {
		if !x.takeFirst(octet) {
			return x.On(Wrong)
		}
	}
	if len(x.field) == HelloSize {
		return x.On(Whole)
	}
	return x.On(More)
}

// Head is the echo and all of the frame that stands before the data: to be sent on SendEchoAndFrame (`echo.exact`).
func (x *ServerExchange) Head() []byte {
	head := make([]byte, 0, HelloSize+lengthSize+len(x.message)+dataLengthSize)
	return appendHead(append(head, x.field...), x.message, x.dataLength)
}

// ClientExchange is the client's end of one exchange. It looks at echo and head; of the data it counts the octets.
type ClientExchange struct {
	machine
	limits  Limits
	message string
	length  uint64 // of the data
}

// NewClientExchange is in the state Connecting.
func NewClientExchange(nonce [3]byte, limits Limits) *ClientExchange {
	m := machine{table: clientTable, state: Connecting, size: HelloSize, expected: Magic + string(nonce[:])}
	return &ClientExchange{machine: m, limits: limits}
}

// Hello is what is to be sent on SendHello, and nothing else ever (`hello.form`).
func (x *ClientExchange) Hello() []byte { return []byte(x.expected) }

// Needed is the number of octets that the present field still lacks; in Data, those of the data.
func (x *ClientExchange) Needed() uint64 { return x.start + x.size - x.consumed }

// Message is the message; valid from DataLength on, and to be shown when Done only (`result.message`).
func (x *ClientExchange) Message() string { return x.message }

// DataLength is the declared number of octets; valid from Data on.
func (x *ClientExchange) DataLength() uint64 { return x.length }

// Feed looks at octets of the server and returns how many belong to echo and head; the others are data
// (`frame.segments`).
func (x *ClientExchange) Feed(octets []byte) int {
	taken := 0
	for x.inHead() {
		if need := x.Needed(); need > 0 {
			if taken == len(octets) {
				return taken
			}
			if x.state == Echo { // the first wrong octet decides (`echo.mismatch`)
				taken++
				if !x.takeFirst(octets[taken-1]) {
					x.On(Wrong)
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
		x.On(x.judge())
	}
	return taken
}

// Arrived is told how many octets of the data have arrived, at most Needed, and gives Deliver with the last (`data.end`).
func (x *ClientExchange) Arrived(size uint64) Action {
	x.consumed += size
	if x.Needed() > 0 {
		return x.On(More)
	}
	return x.On(Whole)
}

func (x *ClientExchange) inHead() bool {
	return x.state == Echo || x.state == MessageLength || x.state == Message || x.state == DataLength
}

// judge looks at the present field, and makes ready for the next one when it is whole.
func (x *ClientExchange) judge() Event {
	if x.Needed() > 0 {
		return More
	}
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
		if x.why = notUTF8(x.message); x.why != "" {
			return Wrong
		}
	case DataLength:
		x.size = binary.LittleEndian.Uint64(field)
		x.length = x.size
		if event := x.within(x.limits.Data, "data"); event == Over {
			return event
		}
		if x.length == 0 {
			x.On(Whole) // into Data, which is whole at once
		}
	}
	return Whole
}

// within looks at a declared length.
func (x *ClientExchange) within(limit uint64, what string) Event {
	if x.size > limit {
		x.why = "expected at most " + count(limit) + " octets of the " + what + ", got a length of " + count(x.size)
		return Over
	}
	return Whole
}
