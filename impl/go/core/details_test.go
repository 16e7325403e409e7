package core

import (
	"errors"
	"strings"
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
	sizes := "1, 2, 3, 4, 6, 8, 12, 16, 24 or 48"
	for _, row := range []struct {
		err      error
		expected string
	}{
		{pack(0, "a"), "invalid-port: expected 1 to 65535, got 0"},
		{CheckPort(-1, 0), "invalid-port: expected 0 to 65535, got -1"},
		{pack(1, "abcde"), "invalid-key: expected " + sizes + " octets, got 5"},
		{unpack(".0a"), "invalid-address: the port: expected a number from 1 to 65535, got no digit"},
		{unpack("01.0a"), "invalid-address: the port: expected a number from 1 to 65535, got a leading zero"},
		{unpack("65536.0a"), "invalid-address: the port: expected a number from 1 to 65535, got more"},
		{unpack("1.0a.0"), "invalid-address: the key: expected " + sizes + " groups of 3 characters, got 5 characters"},
		{unpack("1" + strings.Repeat(".0a", 5)), "invalid-address: the key: expected " + sizes + " groups of 3 characters, got 15 characters"},
		{unpack("1.0a.0x.0a"), "invalid-address: group 2 of 3 of the key: expected a dot and two hexadecimal digits, got something else"},
		{CheckMessage("h\u00e9\xc3h"), "message-not-utf8: expected UTF-8, got a message of 5 octets, ill-formed at offset 3"},
		{CheckMessage("\ufffd\xff"), "message-not-utf8: expected UTF-8, got a message of 4 octets, ill-formed at offset 3"},
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
	alone := func(m machine, event Event) error { m.On(event); return m.Err() }
	listening, connecting := NewServerExchange("", 0).machine, NewClientExchange(replayed, DefaultLimits()).machine
	halfClosed, confirming := machine{table: serverTable, state: HalfClosed}, machine{table: serverTable, state: Confirming}
	for _, row := range []struct {
		err      error
		expected string
	}{
		{alone(listening, Timeout), "timeout: expected a client, got nothing within T"},
		{alone(listening, Wrong), "invalid-connection: expected a client, got one of another user"},
		{alone(listening, Failure), "io: expected a client, got a system error"},
		{server("KC\x1b", End), `invalid-connection: octet 3 of the hello: expected 8 octets that begin with "KCOM5", got "KC\x1b"`},
		{server(echo+"d", End), `invalid-connection: octet 9 of the hello: expected 8 octets that begin with "KCOM5", got "KCOM5\xaa\xbb\xccd"`},
		{server("KCOM5", End), `invalid-connection: expected 8 octets of the hello, got 5 ("KCOM5") and then the end`},
		{server("", Timeout), `timeout: expected 8 octets of the hello, got 0 ("") and then nothing within T`},
		{server(echo, Reset), "unconfirmed: expected the client to take the rest, got a reset"},
		{alone(halfClosed, Timeout), "timeout: expected the client to take the rest, got nothing within T"},
		{alone(confirming, Timeout), "unconfirmed: expected the client to close, got nothing within T"},
		{alone(connecting, Refused), "refused: expected a server, got nobody"},
		{client("KCOM5\xaa\xbc", End), `invalid-connection: octet 7 of the echo: expected 8 octets that begin with "KCOM5\xaa\xbb\xcc", got "KCOM5\xaa\xbc"`},
		{client("KC", Reset), `invalid-connection: expected 8 octets of the echo, got 2 ("KC") and then a reset`},
		{client(echo+"\x06", End), "truncated: expected 4 octets of the message length, got 1 and then the end"},
		{client(echo+"\x07\x00\x00\x00", End), "over-limit: expected at most 6 octets of the message, got a length of 7"},
		{client(echo+"\x06\x00\x00\x00sec", Reset), "truncated: expected 6 octets of the message, got 3 and then a reset"},
		{client(echo+"\x06\x00\x00\x00secr\xe2\x82", End), "malformed-message: expected UTF-8, got a message of 6 octets, ill-formed at offset 4"},
		{client(echo+"\x00\x00\x00\x00", Timeout), "timeout: expected 8 octets of the data length, got 0 and then nothing within T"},
		{client(echo+"\x00\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00", End), "over-limit: expected at most 9 octets of the data, got a length of 10"},
		{client(echo+"\x00\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00secret", End), "truncated: expected 9 octets of the data, got 6 and then the end"},
	} {
		if got := detailOf(t, row.err); got != row.expected {
			t.Errorf("got      %s\nexpected %s", got, row.expected)
		}
	}
}
