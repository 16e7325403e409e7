package core

import (
	"bytes"
	"testing"
	"unicode/utf8"
)

// What unpack takes, pack gives back; nothing else is an address.
func FuzzUnpack(f *testing.F) {
	for _, seed := range []string{"", "13600.00.01.0a.ff", "13600.aB.Cd.eF", "013600.aa", "65536.aa", "1.0", "9.ff."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		port, key, err := Unpack(address)
		if err != nil {
			if key != nil || port != 0 {
				t.Error("something is returned beside the error")
			}
			return
		}
		groups := bytes.Count([]byte(address), []byte("."))
		again, err := Pack(port, key[:groups])
		if err != nil || len(key) != 48 || !bytes.EqualFold([]byte(again), []byte(address)) {
			t.Errorf("%q: %q %v", address, again, err)
		}
	})
}

// A stream of a server comes out the same in one piece and cut in three, and nothing is consumed that did not come.
func FuzzClientExchange(f *testing.F) {
	good := []byte("KCOM5\xaa\xbb\xcc\x02\x00\x00\x00hi\x03\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02")
	f.Add(good, uint8(8), uint8(14))
	f.Add(good[:20], uint8(3), uint8(10))
	f.Add([]byte("HTTP/1.1 400"), uint8(1), uint8(2))
	f.Fuzz(func(t *testing.T, stream []byte, first, second uint8) {
		run := func(pieces ...[]byte) (State, uint64, string, string, []byte) {
			x := NewClientExchange(replayed, Limits{Message: 1 << 16, Data: 1 << 20})
			x.On(Connected)
			var data []byte
			for _, piece := range pieces {
				rest := piece[x.Feed(piece):]
				if x.State() == Data {
					if uint64(len(rest)) > x.Needed() {
						rest = rest[:x.Needed()]
					}
					data = append(data, rest...)
					x.Arrived(uint64(len(rest)))
					x.Delivered()
				}
			}
			x.On(End)
			name := ""
			if x.Err() != nil {
				name = nameOf(x.Err())
			}
			return x.State(), x.Consumed(), name, x.Message(), data
		}
		a, b := int(first)%(len(stream)+1), int(second)%(len(stream)+1)
		if a > b {
			a, b = b, a
		}
		state, consumed, name, message, data := run(stream)
		state2, consumed2, name2, message2, data2 := run(stream[:a], stream[a:b], stream[b:])
		if state != state2 || consumed != consumed2 || name != name2 || message != message2 || !bytes.Equal(data, data2) {
			t.Errorf("%s %d %s, but cut: %s %d %s", state, consumed, name, state2, consumed2, name2)
		}
		if state != Done && state != Failed || consumed > uint64(len(stream)) || state == Done && !utf8.ValidString(message) {
			t.Errorf("%s after %d octets", state, consumed)
		}
	})
}

// A hello is taken if and only if it is one.
func FuzzServerExchange(f *testing.F) {
	f.Add([]byte("KCOM5\xaa\xbb\xcc"), uint8(3))
	f.Add([]byte("KCOM5abc / HTTP/1.1\r\n\r\n"), uint8(0))
	f.Add([]byte("kcom5abc"), uint8(8))
	f.Fuzz(func(t *testing.T, stream []byte, cut uint8) {
		x := NewServerExchange("hi", 3)
		x.On(Connected)
		at := int(cut) % (len(stream) + 1)
		action := x.Feed(stream[:at])
		if x.State() == Hello {
			action = x.Feed(stream[at:])
		}
		isHello := len(stream) >= 8 && string(stream[:5]) == Magic && (len(stream) == 8 || at == 8)
		if (action == SendEchoAndFrame || x.State() == Sending) != isHello {
			t.Errorf("%q cut at %d: %s", stream, at, x.State())
		}
		if isHello && !bytes.HasPrefix(x.Head(), stream[:8]) {
			t.Errorf("%x is no echo", x.Head())
		}
	})
}
