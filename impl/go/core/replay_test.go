package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"kcom5/internal/vectors"
)

const repository = "../../../"

// replayed is the nonce of every replay.
var replayed = [3]byte{0xaa, 0xbb, 0xcc}

// act is what the peer does or sees: a run of octets in pieces, or one step.
type act struct {
	run    [][]byte
	do     string
	octets []byte
}

// acts joins consecutive sends to runs.
func acts(v vectors.Vector) (all []act) {
	isOpen := false
	for _, step := range v.Steps {
		switch step.Do {
		case "pause":
		case "send":
			if !isOpen {
				all = append(all, act{do: "run"})
			}
			isOpen = true
			last := &all[len(all)-1]
			last.run = append(last.run, step.Octets(replayed))
		case "expect":
			all = append(all, act{do: step.Do, octets: step.Octets(replayed)})
			isOpen = false
		case "connect":
			all = append(all, act{do: step.Do})
		default:
			all = append(all, act{do: step.Do})
			isOpen = false
		}
	}
	return all
}

// end is what can be told of an exchange when it is over.
type end struct {
	name          string
	at            uint64
	message, data string
	confirmed     bool
}

// replay goes through the acts, the runs cut by pieces.
func replay(v vectors.Vector, all []act, pieces func(run [][]byte) [][]byte) (end, error) {
	if v.Role == "server" {
		return replayServer(v, all, pieces)
	}
	return replayClient(v, all, pieces)
}

func replayServer(v vectors.Vector, all []act, pieces func(run [][]byte) [][]byte) (end, error) {
	if err := CheckMessage(v.Message); err != nil {
		return end{name: nameOf(err)}, nil
	}
	data := v.Data(replayed)
	x := NewServerExchange(v.Message, uint64(len(data)))
	isConnected := v.Setup != "nobody"
	for _, act := range all {
		isConnected = isConnected && act.do != "connect"
	}
	if isConnected {
		x.On(Connected)
	}
	var sent []byte
	isWriting := false
	allSent := func() error {
		if !isWriting {
			return nil
		}
		isWriting = false
		if action := x.On(Sent); action != HalfClose && x.Err() == nil {
			return errors.New("no half-close when all is sent")
		}
		x.On(Acknowledged)
		return nil
	}
	for _, act := range all {
		if strings.HasPrefix(act.do, "expect") {
			if err := allSent(); err != nil {
				return end{}, err
			}
		}
		switch act.do {
		case "connect":
			x.On(Connected)
		case "run":
			for _, piece := range pieces(act.run) {
				if x.Feed(piece) == SendEchoAndFrame {
					sent = append(x.Head(), data...)
					isWriting = true
				}
			}
		case "expect":
			if !bytes.HasPrefix(sent, act.octets) {
				return end{}, fmt.Errorf("got %.40x, expected %.40x", sent, act.octets)
			}
			sent = sent[len(act.octets):]
		case "expect-nothing", "expect-end":
			if len(sent) > 0 {
				return end{}, fmt.Errorf("%d octets too many are sent", len(sent))
			}
			if act.do == "expect-end" && (x.State() == Hello || x.State() == Sending) {
				return end{}, fmt.Errorf("no end in the state %s", x.State())
			}
		default:
			if err := event(&x.machine, act.do); err != nil {
				return end{}, err
			}
		}
	}
	if err := allSent(); err != nil {
		return end{}, err
	}
	result, err := ended(&x.machine)
	result.confirmed = x.Confirmed()
	return result, err
}

func replayClient(v vectors.Vector, all []act, pieces func(run [][]byte) [][]byte) (end, error) {
	limits := DefaultLimits()
	if v.MessageLimit != nil {
		limits.Message = *v.MessageLimit
	}
	if v.DataLimit != nil {
		limits.Data = *v.DataLimit
	}
	x := NewClientExchange(replayed, limits)
	var sent, data []byte
	switch {
	case v.Setup == "nobody":
		x.On(Refused)
	case x.On(Connected) == SendHello:
		sent = x.Hello()
	}
	for _, act := range all {
		switch act.do {
		case "run":
			for _, piece := range pieces(act.run) {
				rest := piece[x.Feed(piece):]
				if x.State() != Data {
					continue
				}
				if uint64(len(rest)) > x.Needed() {
					rest = rest[:x.Needed()]
				}
				data = append(data, rest...)
				if action := x.Arrived(uint64(len(rest))); (action == Deliver) != (x.Needed() == 0) || x.State() != Data {
					return end{}, fmt.Errorf("action %q in the state %s", action, x.State())
				}
				x.Delivered()
			}
		case "expect":
			if !bytes.HasPrefix(sent, act.octets) {
				return end{}, fmt.Errorf("got %x, expected %x", sent, act.octets)
			}
			sent = sent[len(act.octets):]
		case "expect-nothing", "expect-end", "expect-reset":
			if len(sent) > 0 {
				return end{}, fmt.Errorf("%d octets too many are sent", len(sent))
			}
			if act.do != "expect-nothing" && x.State() != Done && x.State() != Failed {
				return end{}, fmt.Errorf("no end in the state %s", x.State())
			}
		default:
			if err := event(&x.machine, act.do); err != nil {
				return end{}, err
			}
		}
	}
	result, err := ended(&x.machine)
	if err == nil && result.name == "" {
		result.message, result.data = x.Message(), string(data)
		if x.DataLength() != uint64(len(data)) {
			err = fmt.Errorf("the data length is %d", x.DataLength())
		}
	}
	return result, err
}

func event(m *machine, step string) error {
	events := map[string]Event{"close": End, "half-close": End, "reset": Reset, "stall": Timeout}
	event, found := events[step]
	if !found {
		return fmt.Errorf("the step %s needs sockets", step)
	}
	m.On(event)
	return nil
}

func ended(m *machine) (end, error) {
	switch m.State() {
	case Done:
		return end{at: m.Consumed()}, nil
	case Failed:
		return end{name: nameOf(m.Err()), at: m.Consumed()}, nil
	}
	return end{}, fmt.Errorf("left in the state %s", m.State())
}

func nameOf(err error) string {
	var failed *Error
	if !errors.As(err, &failed) || !errors.Is(err, failed.Name) || failed.Detail == "" {
		return fmt.Sprintf("an error without a name: %v", err)
	}
	return string(failed.Name)
}

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
	if v.Role == "client" && got.name == "" && (got.message != v.Outcome.Message || got.data != string(v.Outcome.Data(replayed))) {
		t.Errorf("%s, %s: another message or other data", v.ID, way)
	}
}

func asGiven(run [][]byte) [][]byte { return run }

func whole(run [][]byte) [][]byte { return [][]byte{bytes.Join(run, nil)} }

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
	if v.IsFixed {
		return
	}
	check(t, v, "whole", all, whole)
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
		check(t, v, "trailing", trailing, whole)
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
	var got string
	var err error
	switch v.Op {
	case "pack":
		got, err = Pack(v.Port, v.Key)
	case "message":
		err = CheckMessage(absent(v.Size))
	default:
		var port int
		var key []byte
		if port, key, err = Unpack(v.In); err == nil {
			got = fmt.Sprintf("%d %x", port, key)
		}
	}
	name := ""
	if err != nil {
		name = nameOf(err)
	}
	if got != v.Out || name != v.Outcome.Error {
		t.Errorf("%s: got %q %q, expected %q %q", v.ID, got, name, v.Out, v.Outcome.Error)
	}
}

func TestEveryVectorComesOutTheSameInEveryWay(t *testing.T) {
	all, err := vectors.Load(repository + "vectors")
	if err != nil {
		t.Fatal(err)
	}
	byRule, count, seen := map[string]int{}, 0, map[string]bool{}
	for _, v := range all {
		if seen[v.ID] {
			t.Errorf("%s is there twice", v.ID)
		}
		seen[v.ID] = true
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
