package core

// The error texts of an exchange. Not here: the system's error, which the transport adds.

import "strconv"

// detail returns what happened, and what was expected.
func (m *machine) detail(event Event) string {
	switch {
	case m.why != "":
		return m.why
	case event == Cancel:
		return "cancelled by the caller"
	case event == Failure:
		return m.place + ": a system error"
	case m.isServer:
		return m.serverDetail(event)
	}
	return m.clientDetail(event)
}

func (m *machine) serverDetail(event Event) string {
	isDead := event == Timeout
	switch m.state {
	case Listening, Hello:
		switch {
		case event == wrong:
			return "the client runs as another user"
		case m.state == Listening:
			return "no client connected to " + m.place + " within " + m.bound
		case isDead:
			return "got " + m.came("hello") + " within " + m.bound
		case m.consumed == 0:
			return "a client connected and left without sending anything; was it a port check?"
		}
		return "the client left after " + m.came("hello")
	case Sending, HalfClosed:
		if isDead {
			return "the client took nothing for " + m.bound
		}
	default:
		if isDead {
			return "the client did not close within " + m.bound + "; it may have everything"
		}
	}
	return "the client left before it had taken everything"
}

func (m *machine) clientDetail(event Event) string {
	field := map[State]string{Connecting: "echo", MessageLength: "message length", DataLength: "data length"}[m.state]
	if field == "" {
		field = string(m.state)
	}
	switch {
	case event == Refused:
		return "nobody listens on " + m.place
	case event == wrong:
		return "the server runs as another user"
	case event != Timeout:
		return "the server left after " + m.came(field)
	case m.state == Connecting:
		return "not connected to " + m.place + " within " + m.bound
	case m.state == Echo:
		return "got " + m.came(field) + " within " + m.bound
	}
	return "got nothing for " + m.bound + ", after " + m.came(field)
}

// came returns how much of a field has arrived.
func (m *machine) came(field string) string {
	return count(m.consumed-m.start) + " of " + count(m.size) + " bytes of the " + field
}

// wrongFirst returns what is wrong with byte number at of a hello or an echo.
func (m *machine) wrongFirst(at int) string {
	switch {
	case !m.isServer:
		return "byte " + strconv.Itoa(at) + " of the echo differs from the hello"
	case at > HelloSize:
		return "got more than the 8 bytes of a hello"
	}
	return "byte " + strconv.Itoa(at) + " of the hello is wrong, expected KCOM5 and three bytes"
}

func count(number uint64) string { return strconv.FormatUint(number, 10) }
