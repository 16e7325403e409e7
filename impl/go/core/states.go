package core

// The states, the events, the actions, and the spec's two tables. Not here: the octets. Spec: "States".

import "strings"

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

// Event is what happens to an end, by its name in the spec.
type Event string

// The events of the spec's tables.
const (
	Connected    Event = "connected"    // a connection exists
	Refused      Event = "refused"      // nobody listens, or the connection is to itself
	More         Event = "more"         // bytes arrived and the field is not complete
	Whole        Event = "whole"        // the field is complete, and valid
	Wrong        Event = "wrong"        // the field cannot become valid, or the peer is another user's
	Over         Event = "over"         // a declared length is over the limit
	Sent         Event = "sent"         // the kernel has taken the last byte of the frame, and the half-close
	Acknowledged Event = "acknowledged" // the peer's kernel has everything; comes at once where the kernel does not tell
	End          Event = "end"          // the peer closed or half-closed
	EarlyEnd     Event = "early-end"    // the same, while bytes are not acknowledged
	Reset        Event = "reset"        // the peer reset
	Timeout      Event = "timeout"      // the bound of the state has passed
	Failure      Event = "failure"      // any other system error
	Cancel       Event = "cancel"       // the caller gave up
)

// Action is what the transport is to do, by its words in the spec.
type Action string

// The actions of the spec's tables.
const (
	Nothing          Action = ""
	SendHello        Action = "send hello"
	SendEchoAndFrame Action = "send echo and frame"
	HalfClose        Action = "half-close"
	Confirm          Action = "confirm" // nothing to do: the success is a confirmed one
	Deliver          Action = "deliver" // store everything, then call Delivered
)

// The rows of the spec. A cell is "next state", "action; next state", the name of an error, or – for nothing.
var (
	serverTable = tableOf(`
server      | connected | more | whole                        | wrong              | sent                   | acknowledged | end                | early-end   | reset              | timeout     | failure | cancel
listening   | hello     | –    | –                            | invalid-connection | –                      | –            | –                  | –           | –                  | timeout     | io      | io
hello       | –         | –    | send echo and frame; sending | invalid-connection | –                      | –            | invalid-connection | –           | invalid-connection | timeout     | io      | io
sending     | –         | –    | –                            | –                  | half-close; confirming | –            | half-closed        | half-closed | unconfirmed        | timeout     | io      | io
half-closed | –         | –    | –                            | –                  | half-close; draining   | –            | –                  | –           | unconfirmed        | timeout     | io      | io
confirming  | –         | –    | –                            | –                  | –                      | –            | confirm; done      | draining    | unconfirmed        | unconfirmed | io      | io
draining    | –         | –    | –                            | –                  | –                      | done         | –                  | –           | unconfirmed        | unconfirmed | io      | io
`)
	clientTable = tableOf(`
client         | connected        | refused | more | whole          | wrong              | over       | end                | reset              | timeout | failure | cancel
connecting     | send hello; echo | refused | –    | –              | invalid-connection | –          | invalid-connection | invalid-connection | timeout | io      | io
echo           | –                | –       | –    | message-length | invalid-connection | –          | invalid-connection | invalid-connection | timeout | io      | io
message-length | –                | –       | –    | message        | –                  | over-limit | truncated          | truncated          | timeout | io      | io
message        | –                | –       | –    | data-length    | malformed-message  | –          | truncated          | truncated          | timeout | io      | io
data-length    | –                | –       | –    | data           | –                  | over-limit | truncated          | truncated          | timeout | io      | io
data           | –                | –       | –    | deliver; done  | –                  | –          | truncated          | truncated          | timeout | io      | io
`)
)

type cell struct {
	do   Action
	next State // Failed if there is an error
	fail Name
}

// table has the cells that do something. Done and Failed have none.
type table map[State]map[Event]cell

// states are all but Failed, by which a cell's next state is told from the name of an error.
const states = " listening hello sending half-closed confirming draining echo message-length message data-length data done "

func tableOf(text string) table {
	t := table{}
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	events := columns(lines[0])
	for _, line := range lines[1:] {
		words := columns(line)
		row := map[Event]cell{}
		for i, word := range words[1:] {
			do, next, isAction := strings.Cut(word, "; ")
			switch {
			case word == "–":
				continue
			case isAction:
				row[Event(events[i+1])] = cell{do: Action(do), next: State(next)}
			case strings.Contains(states, " "+word+" "):
				row[Event(events[i+1])] = cell{next: State(word)}
			default:
				row[Event(events[i+1])] = cell{next: Failed, fail: Name(word)}
			}
		}
		t[State(words[0])] = row
	}
	return t
}

func columns(line string) []string {
	words := strings.Split(line, "|")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return words
}
