package core

// Every vector through the core, in each of the ways of vectors/README.md.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"kcom5/internal/vectors"
)

func TestEveryVectorComesOutTheSameInEveryWay(t *testing.T) {
	all, err := vectors.Load("../../../vectors")
	if err != nil {
		t.Fatal(err)
	}
	byRule, count := map[string]int{}, 0
	for _, v := range all {
		if v.Live {
			continue
		}
		if v.Op != "" {
			checkRow(t, v)
		} else {
			checkConversation(t, v)
		}
		byRule[v.Rule]++
		count++
	}
	fmt.Printf("replayed %d vectors of %d rules\n", count, len(byRule))
	if name := os.Getenv("KCOM5_REPLAYED"); name != "" {
		text, _ := json.Marshal(byRule)
		if err := os.WriteFile(name, append(text, '\n'), 0o644); err != nil {
			t.Error(err)
		}
	}
}

func checkRow(t *testing.T, v vectors.Vector) {
	var in struct {
		Port int
		Key  string
		Size int
		Fill string
	}
	var text string
	var got, expected any
	var err error
	switch v.Op {
	case "pack":
		vectors.Decode(v.In, &in)
		got, err = Pack(in.Port, vectors.Hex(in.Key))
	case "unpack":
		vectors.Decode(v.In, &text)
		port, key, failed := Unpack(text)
		got, err = map[string]any{"port": port, "key": fmt.Sprintf("% x", key)}, failed
	case "message":
		vectors.Decode(v.In, &in)
		err = CheckMessage(absent(in.Size))
	}
	if v.Error == "" {
		vectors.Decode(v.Out, &expected)
	}
	if nameOf(err) != v.Error || err == nil && fmt.Sprint(got) != fmt.Sprint(expected) {
		t.Errorf("%s: got %v, %v, expected %v %s", v.ID, got, err, expected, v.Error)
	}
}

// absent is a string whose octets are not there: its length may be looked at, and nothing else.
func absent(size int) string {
	header := struct {
		octets *byte
		size   int
	}{new(byte), size}
	return *(*string)(unsafe.Pointer(&header))
}

func nameOf(err error) string {
	if err == nil {
		return ""
	}
	return string(err.(*Error).Name)
}

// act is what the peer does or sees. Consecutive sends are one act.
type act struct {
	do     string
	octets []byte
	sizes  []int // of the pieces in which the vector gives them
}

// replayed is the nonce of every replay.
var replayed = [3]byte{0xaa, 0xbb, 0xcc}

func actsOf(v vectors.Vector) (all []act) {
	for _, step := range v.Steps {
		octets, last := step.Octets(replayed), len(all)-1
		switch {
		case step.Do == "pause", step.Do == "connect": // without a clock it is connected at the start
		case step.Do == "send" && last >= 0 && all[last].do == "send":
			all[last].octets = append(all[last].octets, octets...)
			all[last].sizes = append(all[last].sizes, len(octets))
		default:
			all = append(all, act{step.Do, append([]byte(nil), octets...), []int{len(octets)}})
		}
	}
	return all
}

func checkConversation(t *testing.T, v vectors.Vector) {
	all, longest, last := actsOf(v), 0, -1
	for i, act := range all {
		if act.do == "send" {
			last = i
			if len(act.octets) > longest {
				longest = len(act.octets)
			}
		}
	}
	check := func(way string, sizes ...int) {
		x := exchange{what: v.ID + ", " + way, t: t}
		x.replay(v, all, sizes)
	}
	check("as given")
	if v.Pieces == "fixed" {
		return
	}
	check("whole", longest)
	if longest > 1<<20 {
		return
	}
	ones := make([]int, 4096)
	for i := range ones {
		ones[i] = 1
	}
	check("octet by octet", ones...)
	for size := 1; size <= 64 && size < longest; size++ {
		check(fmt.Sprintf("cut after %d", size), size)
	}
	if v.Role == "client" && last >= 0 && mayTrail(all[last+1:]) {
		all[last].octets = append(all[last].octets, 0x00, 0xff, 0x4b)
		check("trailing", len(all[last].octets))
	}
}

// mayTrail tells whether octets after the last send change nothing, by the acts that follow it.
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

// exchange is either end's machine, and what a transport keeps for it.
type exchange struct {
	*machine
	server    *ServerExchange // or nil
	client    *ClientExchange // or nil
	data      []byte          // to send, or received
	sent      []byte          // what the peer has not seen yet
	isWriting bool            // the server is not told yet that all is sent
	what      string
	t         *testing.T
}

func (x *exchange) require(holds bool, format string, words ...any) {
	x.t.Helper()
	if !holds {
		x.t.Errorf(x.what+": "+format, words...)
	}
}

// replay goes through the acts of the peer, with each send in pieces of these sizes and the rest in one, and compares
// what comes of it. Without sizes the pieces are those of the vector.
func (x *exchange) replay(v vectors.Vector, all []act, sizes []int) {
	if v.Role == "server" {
		message := string(v.Give.Message)
		if err := CheckMessage(message); err != nil {
			x.require(nameOf(err) == v.Outcome.Error, "%v", err)
			return
		}
		x.data = v.Give.Data.With(replayed)
		x.server = NewServerExchange(message, uint64(len(x.data)))
		x.machine = &x.server.machine
	} else {
		limits := DefaultLimits()
		if v.Give.Limits.Message != nil {
			limits.Message = *v.Give.Limits.Message
		}
		if v.Give.Limits.Data != nil {
			limits.Data = *v.Give.Limits.Data
		}
		x.client = NewClientExchange(replayed, limits)
		x.machine = &x.client.machine
	}
	if v.Setup == "nobody" {
		x.On(Refused) // a server knows no such event
	} else if x.On(Connected) == SendHello {
		x.sent = x.client.Hello()
	}
	for _, act := range all {
		if sizes != nil {
			act.sizes = sizes
		}
		if strings.HasPrefix(act.do, "expect") {
			x.endWriting()
		}
		x.perform(act)
	}
	x.endWriting()
	x.compare(v.Outcome)
}

func (x *exchange) perform(act act) {
	switch act.do {
	case "send":
		rest := act.octets
		for _, size := range act.sizes {
			if size < len(rest) {
				x.feed(rest[:size])
				rest = rest[size:]
			}
		}
		x.feed(rest)
	case "expect":
		x.require(bytes.HasPrefix(x.sent, act.octets), "got %.40x, expected %.40x", x.sent, act.octets)
		x.sent = bytes.TrimPrefix(x.sent, act.octets)
	case "expect-nothing":
		x.require(len(x.sent) == 0, "%d octets too many are sent", len(x.sent))
	case "expect-end", "expect-reset":
		hasEnded := x.State() == Done || x.State() == Failed
		if x.server != nil {
			hasEnded = x.State() != Hello && x.State() != Sending
		}
		x.require(len(x.sent) == 0 && hasEnded, "%d octets more and no end in the state %s", len(x.sent), x.State())
	case "close", "half-close":
		x.On(End)
	case "reset":
		x.On(Reset)
	case "stall":
		x.On(Timeout)
	default:
		x.require(false, "%s needs sockets", act.do)
	}
}

// endWriting tells the server that all is sent, if it is not told yet.
func (x *exchange) endWriting() {
	if x.isWriting {
		x.isWriting = false
		x.require(x.On(Sent) == HalfClose || x.Err() != nil, "no half-close when all is sent")
		x.On(Acknowledged)
	}
}

func (x *exchange) feed(piece []byte) {
	if x.server != nil {
		if x.server.Feed(piece) == SendEchoAndFrame {
			x.sent = append(x.server.Head(), x.data...)
			x.isWriting = true
		}
		return
	}
	rest := piece[x.client.Feed(piece):]
	if x.State() != Data {
		return
	}
	if uint64(len(rest)) > x.client.Needed() {
		rest = rest[:x.client.Needed()]
	}
	x.data = append(x.data, rest...)
	action := x.client.Arrived(uint64(len(rest)))
	x.require((action == Deliver) == (x.client.Needed() == 0) && x.State() == Data, "%q, then %s", action, x.State())
	x.client.Delivered()
}

func (x *exchange) compare(expected vectors.Outcome) {
	name := nameOf(x.Err())
	x.require(name == expected.Error, "got %v, expected %q", x.Err(), expected.Error)
	x.require(name != "" && x.State() == Failed || x.State() == Done, "left in the state %s", x.State())
	x.require(expected.At == nil || *expected.At == x.Consumed(), "decided at %d", x.Consumed())
	if x.server != nil {
		confirmed := x.server.Confirmed()
		x.require(expected.Confirmed == nil || *expected.Confirmed == confirmed, "confirmed is %v", confirmed)
	} else if name == "" {
		x.require(x.client.Message() == string(expected.Message), "another message")
		x.require(bytes.Equal(x.data, expected.Data.With(replayed)), "other data")
		x.require(x.client.DataLength() == uint64(len(x.data)), "the data length is %d", x.client.DataLength())
	}
}
