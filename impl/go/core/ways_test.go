package core

// The ways in which each vector is replayed, and the rows.

import (
	"bytes"
	"fmt"
	"testing"
	"unsafe"

	"kcom5/internal/vectors"
)

// check replays once, and compares with the outcome.
func check(t *testing.T, v vectors.Vector, way string, all []act, pieces func(run [][]byte) [][]byte) {
	t.Helper()
	got, err := replay(v, all, pieces)
	if err != nil {
		t.Errorf("%s, %s: %v", v.ID, way, err)
		return
	}
	if got.name != v.Outcome.Error || v.Outcome.At != nil && got.at != *v.Outcome.At {
		t.Errorf("%s, %s: got %q at %d, expected %q", v.ID, way, got.name, got.at, v.Outcome.Error)
	}
	if v.Outcome.Confirmed != nil && got.confirmed != *v.Outcome.Confirmed {
		t.Errorf("%s, %s: confirmed is %v", v.ID, way, got.confirmed)
	}
	if v.Role == "client" && got.name == "" && (got.message != string(v.Outcome.Message) || got.data != string(v.Outcome.Data.With(replayed))) {
		t.Errorf("%s, %s: another message or other data", v.ID, way)
	}
}

func asGiven(run [][]byte) [][]byte { return run }

func joined(run [][]byte) [][]byte { return [][]byte{bytes.Join(run, nil)} }

func octetByOctet(run [][]byte) (pieces [][]byte) {
	octets := bytes.Join(run, nil)
	for len(octets) > 0 && len(pieces) < 4096 {
		pieces = append(pieces, octets[:1])
		octets = octets[1:]
	}
	if len(octets) > 0 {
		pieces = append(pieces, octets)
	}
	return pieces
}

func cutAfter(size int) func(run [][]byte) [][]byte {
	return func(run [][]byte) [][]byte {
		octets := bytes.Join(run, nil)
		if size >= len(octets) {
			return [][]byte{octets}
		}
		return [][]byte{octets[:size], octets[size:]}
	}
}

func checkConversation(t *testing.T, v vectors.Vector) {
	all, longest, last := acts(v), 0, -1
	for i, act := range all {
		if act.do == "run" {
			last = i
			if size := len(bytes.Join(act.run, nil)); size > longest {
				longest = size
			}
		}
	}
	check(t, v, "as given", all, asGiven)
	if v.Pieces == "fixed" {
		return
	}
	check(t, v, "whole", all, joined)
	if longest > 1<<20 {
		return
	}
	check(t, v, "octet by octet", all, octetByOctet)
	for size := 1; size <= 64 && size < longest; size++ {
		check(t, v, fmt.Sprintf("cut after %d", size), all, cutAfter(size))
	}
	if v.Role == "client" && last >= 0 && mayTrail(all[last+1:]) {
		trailing := append([]act(nil), all...)
		trailing[last].run = append(append([][]byte(nil), all[last].run...), []byte{0x00, 0xff, 0x4b})
		check(t, v, "trailing", trailing, joined)
	}
}

// mayTrail tells whether octets after the last run change nothing, by the acts that follow it.
func mayTrail(following []act) bool {
	hasEnded := false
	for _, act := range following {
		switch act.do {
		case "half-close", "reset", "stall":
			return false
		case "close":
			return hasEnded
		case "expect-end":
			hasEnded = true
		}
	}
	return true
}

// absent is a string whose octets are not there: its length may be looked at, and nothing else.
func absent(size int) string {
	header := struct {
		octets *byte
		size   int
	}{new(byte), size}
	return *(*string)(unsafe.Pointer(&header))
}

func checkRow(t *testing.T, v vectors.Vector) {
	var in, out struct {
		Port int
		Key  string
		Size int
		Fill string
	}
	var got, text, expected string
	var err error
	switch v.Op {
	case "pack":
		vectors.Decode(v.In, &in)
		got, err = Pack(in.Port, vectors.Hex(in.Key))
	case "message":
		vectors.Decode(v.In, &in)
		err = CheckMessage(absent(in.Size))
	default:
		var port int
		var key []byte
		vectors.Decode(v.In, &text)
		if port, key, err = Unpack(text); err == nil {
			got = fmt.Sprintf("%d %x", port, key)
		}
	}
	if v.Op == "pack" && v.Error == "" {
		vectors.Decode(v.Out, &expected)
	} else if v.Error == "" {
		vectors.Decode(v.Out, &out)
		expected = fmt.Sprintf("%d %x", out.Port, vectors.Hex(out.Key))
	}
	name := ""
	if err != nil {
		name = nameOf(err)
	}
	if got != expected || name != v.Error {
		t.Errorf("%s: got %q %q, expected %q %q", v.ID, got, name, expected, v.Error)
	}
}
