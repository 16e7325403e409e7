package core

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestAnErrorIsItsNameAndItsCauseAndNoOther(t *testing.T) {
	cause := errors.New("what the system said")
	err := error(&Error{Name: ErrTimeout, Detail: "it took too long", Cause: cause})
	if !errors.Is(err, ErrTimeout) || errors.Is(err, ErrIO) || !errors.Is(err, cause) {
		t.Error("errors.Is tells something else")
	}
	if ErrTimeout.Error() != "timeout" || ErrTimeout.Family() != "transport" {
		t.Error(ErrTimeout, ErrTimeout.Family())
	}
}

// (`limit.memory`: also memory that is set aside, and not used)
func TestAHeadOfTheLargestLengthsSetsNothingAside(t *testing.T) {
	x := NewClientExchange([3]byte{}, Limits{Message: MaxMessage, Data: 1<<64 - 1})
	x.On(Connected)
	x.Feed(append(x.Hello(), 0xff, 0xff, 0xff, 0xff))
	x.Feed(bytes.Repeat([]byte("a"), 1024))
	if cap(x.field) > 64<<10 || x.Needed() != MaxMessage-1024 {
		t.Errorf("%d octets are set aside", cap(x.field))
	}
}

func TestAnExchangeDoesNotShowItsMessage(t *testing.T) {
	x := NewServerExchange("secret", 0)
	for _, shown := range []string{fmt.Sprintf("%v", x), fmt.Sprintf("%+v", *x), fmt.Sprintf("%#v", x)} {
		if strings.Contains(shown, "secret") || !strings.Contains(shown, "listening") {
			t.Error(shown)
		}
	}
}

func TestNothingHappensToAnExchangeThatIsZeroOrNotConnected(t *testing.T) {
	var server ServerExchange
	if server.On(Connected) != Nothing || server.Feed([]byte("K")) != Nothing || server.State() != "" {
		t.Error(server)
	}
	server = *NewServerExchange("", 0)
	if server.Feed([]byte("K")) != Nothing || server.Consumed() != 0 || server.Confirmed() {
		t.Error(server)
	}
	var client ClientExchange
	client.Delivered()
	if client.On(Connected) != Nothing || client.Feed([]byte("K")) != 0 || client.State() != "" {
		t.Error(client)
	}
	client = *NewClientExchange([3]byte{}, DefaultLimits())
	if client.Feed([]byte("K")) != 0 || client.State() != Connecting {
		t.Error(client)
	}
}

var tables = map[string]table{"server": serverTable, "client": clientTable}

// String writes a cell as the spec does.
func (c cell) String() string {
	switch {
	case c.fail != "":
		return "`" + string(c.fail) + "`"
	case c.next == "":
		return "–"
	case c.do == Nothing:
		return string(c.next)
	case c.do == Deliver: // Delivered goes on
		return "deliver; done"
	}
	return string(c.do) + "; " + string(c.next)
}

func TestTheTablesOfStatesAreThoseOfTheSpecAndEachCellIsReached(t *testing.T) {
	spec, err := os.ReadFile("../../../spec/kcom5.md")
	if err != nil {
		t.Fatal(err)
	}
	columnsOf := func(line string) []string { return strings.Split(strings.Trim(line, "| "), " | ") }
	for role, table := range tables {
		_, after, found := strings.Cut(string(spec), "<!-- states: "+role+" -->\n")
		if !found {
			t.Fatalf("the spec has no table of states of the %s", role)
		}
		body, _, _ := strings.Cut(after, "\n\n")
		lines := strings.Split(body, "\n")
		events := columnsOf(lines[0])
		count := 0
		for _, line := range lines[2:] {
			columns := columnsOf(line)
			for i, expected := range columns[1:] {
				state, event := State(columns[0]), Event(events[i+1])
				cell := table.at(state, event)
				if cell.String() != expected {
					t.Errorf("%s: %s, %s: got %q, expected %q", role, state, event, cell, expected)
				}
				if cell.next != "" {
					checkCell(t, role, state, cell)
					count++
				}
			}
		}
		for _, row := range table {
			count -= len(row)
		}
		if count != 0 {
			t.Errorf("%s: the spec has %d cells more", role, count)
		}
	}
}

func checkCell(t *testing.T, role string, state State, cell cell) {
	t.Helper()
	m := machine{table: tables[role], state: state, isServer: role == "server"}
	if cell.on == whole || cell.on == wrong || cell.on == over {
		if m.On(cell.on) != Nothing || m.State() != state {
			t.Errorf("%s: %s is taken from a caller", role, cell.on)
		}
	}
	if action := m.take(cell.on); action != cell.do || m.State() != cell.next {
		t.Errorf("%s: %s, %s: %q, %s", role, state, cell.on, action, m.State())
	}
	if (m.Err() != nil) != (cell.fail != "") || m.Err() != nil && nameOf(m.Err()) != string(cell.fail) {
		t.Errorf("%s: %s, %s: %v", role, state, cell.on, m.Err())
	}
}

// The texts that no program shows, or not always.
func TestAnErrorSaysWhatHappened(t *testing.T) {
	for _, row := range []struct {
		role     string
		state    State
		event    Event
		expected string
	}{
		{"server", Listening, wrong, "invalid-connection: the client runs as another user"},
		{"server", Listening, Failure, "io: [::1]:13600: a system error"},
		{"server", Sending, Cancel, "io: cancelled by the caller"},
		{"server", HalfClosed, Timeout, "timeout: the client took nothing for 150 s"},
		{"client", Connecting, wrong, "invalid-connection: the server runs as another user"},
		{"client", Connecting, Timeout, "timeout: not connected to the server's place within T s"},
	} {
		m := newMachine(tables[row.role], row.state, Magic)
		if m.isServer = row.role == "server"; m.isServer {
			m.Describe("[::1]:13600", "150 s")
		}
		if m.On(row.event); row.event == wrong {
			m.RefusePeer()
		}
		if m.Err() == nil || m.Err().Error() != row.expected {
			t.Errorf("got      %v\nexpected %s", m.Err(), row.expected)
		}
	}
}
