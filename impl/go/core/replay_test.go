package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

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
	message := string(v.Give.Message)
	if err := CheckMessage(message); err != nil {
		return end{name: nameOf(err)}, nil
	}
	data := v.Give.Data.With(replayed)
	x := NewServerExchange(message, uint64(len(data)))
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
	if v.Give.Limits.Message != nil {
		limits.Message = *v.Give.Limits.Message
	}
	if v.Give.Limits.Data != nil {
		limits.Data = *v.Give.Limits.Data
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
