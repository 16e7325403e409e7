package core

import (
	"errors"
	"testing"
)

func detailOf(t *testing.T, err error) string {
	t.Helper()
	var failed *Error
	if !errors.As(err, &failed) {
		t.Fatalf("%v is no *Error", err)
	}
	return string(failed.Name) + ": " + failed.Detail
}

func TestAnErrorOfACallSaysWhatWasExpectedAndWhatCame(t *testing.T) {
	pack := func(port int, key string) error { _, err := Pack(port, []byte(key)); return err }
	unpack := func(address string) error { _, _, err := Unpack(address); return err }
	for _, row := range []struct {
		err      error
		expected string
	}{
		{pack(0, "a"), "invalid-port: got port 0, expected 1 to 65535"},
		{CheckPort(-1, 0), "invalid-port: got port -1, expected 0 to 65535"},
		{pack(1, "abcde"), "invalid-key: got a key of 5 bytes, expected 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48"},
		{unpack(".0a"), "invalid-address: got a text of 3 bytes that is not PORT.HH.HH…"},
		{unpack("1.0a.0x.0a"), "invalid-address: got a text of 10 bytes that is not PORT.HH.HH…"},
		{CheckMessage("h\u00e9\xc3h"), "message-not-utf8: the message to send is not valid UTF-8"},
	} {
		if got := detailOf(t, row.err); got != row.expected {
			t.Errorf("got      %s\nexpected %s", got, row.expected)
		}
	}
}

func TestAnErrorOfAnExchangeSaysWhatWasExpectedAndWhatCame(t *testing.T) {
	const echo = "KCOM5\xaa\xbb\xcc"
	server := func(octets string, event Event) error {
		x := NewServerExchange("secret", 3)
		x.On(Connected)
		x.Feed([]byte(octets))
		x.On(event)
		return x.Err()
	}
	client := func(octets string, event Event) error {
		x := NewClientExchange(replayed, Limits{Message: 6, Data: 9})
		x.On(Connected)
		if rest := len(octets) - x.Feed([]byte(octets)); rest > 0 {
			x.Arrived(uint64(rest))
		}
		x.On(event)
		return x.Err()
	}
	atServer := func(state State, event Event) error {
		m := newMachine(serverTable, state, Magic)
		m.isServer = true
		m.Describe("[::1]:13600", "150 s")
		m.take(event)
		return m.Err()
	}
	refusing := func() error {
		x := NewServerExchange("", 0)
		x.RefusePeer()
		return x.Err()
	}
	connecting := func(event Event) error {
		x := NewClientExchange(replayed, DefaultLimits())
		x.Describe("/run/s", "3 s")
		x.take(event)
		return x.Err()
	}
	for _, row := range []struct {
		err      error
		expected string
	}{
		{atServer(Listening, Timeout), "timeout: no client connected to [::1]:13600 within 150 s"},
		{refusing(), "invalid-connection: the client runs as another user"},
		{atServer(Listening, Failure), "io: [::1]:13600: a system error"},
		{atServer(Sending, Cancel), "io: cancelled by the caller"},
		{server("KC\x1b", End), "invalid-connection: byte 3 of the hello is wrong, expected KCOM5 and three bytes"},
		{server(echo+"d", End), "invalid-connection: got more than the 8 bytes of a hello"},
		{server("KCOM5", End), "invalid-connection: the client left after 5 of 8 bytes of the hello"},
		{server("", Reset), "invalid-connection: a client connected and left without sending anything; was it a port check?"},
		{server("KCOM", Timeout), "timeout: got 4 of 8 bytes of the hello within T s"},
		{server(echo, Reset), "unconfirmed: the client left before it had taken everything"},
		{server(echo, Timeout), "timeout: the client took nothing for T s"},
		{atServer(HalfClosed, Timeout), "timeout: the client took nothing for 150 s"},
		{atServer(Confirming, Timeout), "unconfirmed: the client did not close within 150 s; it may have everything"},
		{atServer(Draining, Timeout), "unconfirmed: the client did not close within 150 s; it may have everything"},
		{atServer(Draining, Reset), "unconfirmed: the client left before it had taken everything"},
		{connecting(Refused), "refused: nobody listens on /run/s"},
		{connecting(Timeout), "timeout: not connected to /run/s within 3 s"},
		{connecting(Reset), "invalid-connection: the server left after 0 of 8 bytes of the echo"},
		{connecting(wrong), "invalid-connection: the server runs as another user"},
		{client("KCOM5\xaa\xbc", End), "invalid-connection: byte 7 of the echo differs from the hello"},
		{client("KC", Reset), "invalid-connection: the server left after 2 of 8 bytes of the echo"},
		{client("KC", Timeout), "timeout: got 2 of 8 bytes of the echo within T s"},
		{client(echo+"\x06", End), "truncated: the server left after 1 of 4 bytes of the message length"},
		{client(echo+"\x07\x00\x00\x00", End), "over-limit: got a message length of 7, expected at most 6"},
		{client(echo+"\x06\x00\x00\x00sec", Reset), "truncated: the server left after 3 of 6 bytes of the message"},
		{client(echo+"\x06\x00\x00\x00secr\xe2\x82", End), "malformed-message: the message received is not valid UTF-8"},
		{client(echo+"\x00\x00\x00\x00", Timeout), "timeout: got nothing for T s, after 0 of 8 bytes of the data length"},
		{client(echo+"\x00\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00", End), "over-limit: got a data length of 10, expected at most 9"},
		{client(echo+"\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00secret", End), "truncated: the server left after 6 of 9 bytes of the data"},
	} {
		if got := detailOf(t, row.err); got != row.expected {
			t.Errorf("got      %s\nexpected %s", got, row.expected)
		}
	}
}
