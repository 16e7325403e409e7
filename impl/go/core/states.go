package core

// The states, the events, the actions, and the spec's two tables. Not here: the bytes. Spec: "States".

// State is a state of either end, by its name in the spec.
type State string

// The states of the spec's tables.
const (
	Listening     State = "listening"
	Hello         State = "hello"
	Sending       State = "sending"
	HalfClosed    State = "half-closed"
	Confirming    State = "confirming"
	Draining      State = "draining"
	Connecting    State = "connecting"
	Echo          State = "echo"
	MessageLength State = "message-length"
	Message       State = "message"
	DataLength    State = "data-length"
	Data          State = "data"
	Done          State = "done"
	Failed        State = "failed"
)

// Event is an event of the spec's tables, by its name in the spec.
type Event string

// The events that On takes.
const (
	Connected    Event = "connected"    // a connection exists
	Refused      Event = "refused"      // nobody listens, or the connection is to itself
	Sent         Event = "sent"         // the kernel has taken the last byte of the frame, and the half-close
	Acknowledged Event = "acknowledged" // the peer's kernel has everything; comes at once where the kernel does not tell
	End          Event = "end"          // the peer closed or half-closed
	EarlyEnd     Event = "early-end"    // the same, while bytes are not acknowledged
	Reset        Event = "reset"        // the peer reset
	Timeout      Event = "timeout"      // the bound of the state has passed
	Failure      Event = "failure"      // any other system error
	Cancel       Event = "cancel"       // the caller gave up
)

// The events that the machine makes by itself, from the bytes. The spec's "more" is a dash in every state, so no event
// of that name exists here.
const (
	whole Event = "whole" // the field is complete, and valid
	wrong Event = "wrong" // the field cannot become valid, or the peer is another user's
	over  Event = "over"  // a declared length is over the limit
)

// Action is an action for the transport, by its words in the spec.
type Action string

// The actions of the spec's tables.
const (
	Nothing          Action = ""
	SendHello        Action = "send hello"
	SendEchoAndFrame Action = "send echo and frame"
	HalfClose        Action = "half-close"
	Confirm          Action = "confirm" // nothing to do: the success is confirmed
	Deliver          Action = "deliver" // store everything, then call Delivered
)

// cell is the effect of an event in a state: the action, and the next state or the name of the error.
type cell struct {
	on   Event
	do   Action
	next State
	fail Name
}

func to(on Event, next State) cell   { return cell{on: on, next: next} }
func fails(on Event, name Name) cell { return cell{on: on, next: Failed, fail: name} }

// table has a row of cells for each state. An event without a cell is a dash in the spec: it does nothing, and the
// state stays.
type table map[State][]cell

var serverTable = table{
	Listening: {to(Connected, Hello), fails(wrong, ErrInvalidConnection),
		fails(Timeout, ErrTimeout), fails(Failure, ErrIO), fails(Cancel, ErrIO)},
	Hello: {{whole, SendEchoAndFrame, Sending, ""}, fails(wrong, ErrInvalidConnection),
		fails(End, ErrInvalidConnection), fails(Reset, ErrInvalidConnection),
		fails(Timeout, ErrTimeout), fails(Failure, ErrIO), fails(Cancel, ErrIO)},
	Sending: {{Sent, HalfClose, Confirming, ""}, to(End, HalfClosed), to(EarlyEnd, HalfClosed), fails(Reset, ErrUnconfirmed),
		fails(Timeout, ErrTimeout), fails(Failure, ErrIO), fails(Cancel, ErrIO)},
	HalfClosed: {{Sent, HalfClose, Draining, ""}, fails(Reset, ErrUnconfirmed),
		fails(Timeout, ErrTimeout), fails(Failure, ErrIO), fails(Cancel, ErrIO)},
	Confirming: {{End, Confirm, Done, ""}, to(EarlyEnd, Draining), fails(Reset, ErrUnconfirmed),
		fails(Timeout, ErrUnconfirmed), fails(Failure, ErrIO), fails(Cancel, ErrIO)},
	Draining: {to(Acknowledged, Done), fails(Reset, ErrUnconfirmed),
		fails(Timeout, ErrUnconfirmed), fails(Failure, ErrIO), fails(Cancel, ErrIO)},
}

var clientTable = table{
	Connecting: {{Connected, SendHello, Echo, ""}, fails(Refused, ErrRefused), fails(wrong, ErrInvalidConnection),
		fails(End, ErrInvalidConnection), fails(Reset, ErrInvalidConnection),
		fails(Timeout, ErrTimeout), fails(Failure, ErrIO), fails(Cancel, ErrIO)},
	Echo: {to(whole, MessageLength), fails(wrong, ErrInvalidConnection),
		fails(End, ErrInvalidConnection), fails(Reset, ErrInvalidConnection),
		fails(Timeout, ErrTimeout), fails(Failure, ErrIO), fails(Cancel, ErrIO)},
	MessageLength: {to(whole, Message), fails(over, ErrOverLimit), fails(End, ErrTruncated), fails(Reset, ErrTruncated),
		fails(Timeout, ErrTimeout), fails(Failure, ErrIO), fails(Cancel, ErrIO)},
	Message: {to(whole, DataLength), fails(wrong, ErrMalformedMessage), fails(End, ErrTruncated), fails(Reset, ErrTruncated),
		fails(Timeout, ErrTimeout), fails(Failure, ErrIO), fails(Cancel, ErrIO)},
	DataLength: {to(whole, Data), fails(over, ErrOverLimit), fails(End, ErrTruncated), fails(Reset, ErrTruncated),
		fails(Timeout, ErrTimeout), fails(Failure, ErrIO), fails(Cancel, ErrIO)},
	Data: {{whole, Deliver, Data, ""}, fails(End, ErrTruncated), fails(Reset, ErrTruncated), // Delivered goes on to Done
		fails(Timeout, ErrTimeout), fails(Failure, ErrIO), fails(Cancel, ErrIO)},
}

// at returns the cell of a state and an event; a zero one is a dash.
func (t table) at(state State, event Event) cell {
	for _, cell := range t[state] {
		if cell.on == event {
			return cell
		}
	}
	return cell{}
}
